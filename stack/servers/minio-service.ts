// MinIO as one of the servers that are started when LEASEHOLD_KINDS names them.
import { oneLine } from '../errors';
import { foundOrBuilding } from '../fetch/go';
import type { KindServer, StartParts } from '../kind-server';
import { readState } from '../state';
import { MINIO, minioAdminUrl, minioDefinition } from './minio';
import { findMinio } from './minio-binary';

export const MINIO_SERVICE = {
  name: MINIO,
  kinds: [],
  without: 'nothing is placed on the backend minio',
  ports: [{ name: MINIO, inUrls: true }],
  external: ({ external }) => external.minioAdminUrl,
  embedded: ({ external }) => external.minioAdminUrl === undefined,
  start: startMinio,
} as const satisfies KindServer;

/** A first build takes minutes: nobody waits for it, the next start has it. */
async function startMinio({ context, supervisor, say }: StartParts): Promise<void> {
  const { settings, ports, signal, kindEnvironment } = context;
  const { home, cacheDir, minioBinary } = settings;
  const found = await foundOrBuilding(
    (onBuild) => findMinio({ cacheDir, binary: minioBinary, signal, onBuild }),
    {
      building: (version) => `building MinIO ${version} once, in the background: it is used from the next start on`,
      built: ({ path, builtSeconds = 0 }) => `built MinIO in ${builtSeconds.toFixed(0)} s (${path}): start again to use it`,
      failed: (error) => `minio is not there: ${oneLine(error)}`,
    },
    { say, signal },
  );
  if (found === null) return;
  const server = { home, port: ports[MINIO] ?? 0 };
  await supervisor.start(minioDefinition({ ...server, binary: found.path, leftover: readState(home).processes[MINIO] }));
  kindEnvironment.LEASEHOLD_MINIO_ADMIN_URL = minioAdminUrl(server);
}

// The ports behind the S3 port: a tenant on the same machine must have no use of them.
import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { makeCertificates } from '../../../stack/servers/certificates';
import { findSeaweedfs } from '../../../stack/servers/seaweedfs-binary';
import { SEAWEEDFS_CACHE, type SeaweedfsServer } from '../../harness/seaweedfs';
import type { Attack } from '../attack';
import { all, allIsWell, type Outcome, raw, SECRET, type World } from './world';

export function portAttacks(world: World, { ports, home }: SeaweedfsServer): Attack[] {
  const { bucket } = world.victim;
  const paths: [keyof typeof ports, string, string][] = [
    ['master', '/dir/status', 'GET'],
    ['master', '/dir/assign', 'GET'],
    ['master', `/col/delete?collection=${bucket}`, 'POST'],
    ['master', '/vol/grow?count=1', 'POST'],
    ['volume', '/status', 'GET'],
    ['volume', '/ui/index.html', 'GET'],
    ['filer', `/buckets/${bucket}/`, 'GET'],
    ['filer', `/buckets/${bucket}/${world.victim.prefix}secret`, 'GET'],
    ['filer', `/buckets/${bucket}/?recursive=true`, 'DELETE'],
    ['filer', '/etc/iam/identity.json', 'GET'],
  ];
  return [
    ...paths.flatMap(([port, path, method]) => [
      { name: `${port} ${method} ${path.replace(bucket, '<bucket>')} over HTTP`, run: () => overHttp(world, ports[port], path, method) },
      {
        name: `${port} ${method} ${path.replace(bucket, '<bucket>')} over TLS, no certificate`,
        run: () => overTls(world, ports[port], path, method),
      },
      {
        name: `${port} ${method} ${path.replace(bucket, '<bucket>')} over TLS, a certificate of one's own`,
        run: () => overTls(world, ports[port], path, method, true),
      },
    ]),
    { name: 'the operator’s shell, without a certificate', run: () => shell(world, ports) },
    { name: 'keys, certificates and data on disk', run: async () => files(join(home, 'seaweedfs')) },
  ];
}

async function overHttp(world: World, port: number, path: string, method: string): Promise<Outcome> {
  const answer = await raw(`http://127.0.0.1:${port}${path}`, { method }).catch(() => null);
  if (answer !== null && (answer.status < 400 || answer.body.includes(SECRET))) return { breached: `answered ${answer.status}` };
  return allIsWell(world);
}

async function overTls(world: World, port: number, path: string, method: string, withCertificate = false): Promise<Outcome> {
  const made = withCertificate ? await makeCertificates('attacker') : null;
  const agent = new Agent({ rejectUnauthorized: false, ...(made ? { cert: made.certificate, key: made.key } : {}) });
  const status = await new Promise<number | null>((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, method, agent }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on('error', () => resolve(null));
    call.end();
  });
  agent.destroy();
  return all([status === null ? 'refused' : { breached: `answered ${status}` }, allIsWell(world)]);
}

async function shell(world: World, ports: SeaweedfsServer['ports']): Promise<Outcome> {
  const { path } = await findSeaweedfs({ cacheDir: SEAWEEDFS_CACHE, binary: process.env.LEASEHOLD_WEED_BIN });
  const output = await new Promise<string>((resolve) => {
    const { master, 'master-grpc': grpc } = ports;
    const address = [`-master=127.0.0.1:${master}.${grpc}`];
    const child = execFile(
      path,
      ['shell', ...address],
      { timeout: 6_000, cwd: '/', env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' } },
      (_, out, errors) => resolve(out + errors),
    );
    child.stdin?.end('s3.bucket.list\nfs.ls /buckets\ns3.configure\n');
  });
  return output.includes(world.victim.bucket) ? { breached: 'it lists buckets' } : allIsWell(world);
}

/** Whatever holds a secret or a tenant's bytes is its owner's alone. */
export function files(folder: string): Outcome {
  if ((statSync(folder).mode & 0o077) !== 0) return { breached: `others may enter ${folder}` };
  for (const name of readdirSync(folder)) {
    const { mode } = statSync(join(folder, name));
    if (/\.(json|key)$|^root-/.test(name) && (mode & 0o077) !== 0) return { breached: `others may read ${name}` };
  }
  return 'refused';
}

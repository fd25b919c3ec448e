// A queue on a NATS server without accounts: a place by convention, no key to it, and a warning that says so.
import type { ResourceWithCredential } from '../store';
import type { PresentEngine } from './queue';

const OPEN_SERVER =
  'This queue is on a server without credentials: anybody who reaches it can read, change and delete its streams, and pausing, suspending or ' +
  'expiring it only stops writes. Keep secrets out of it, and ask the operator to move it to an account of its own (isolate).';

export const presentOpenNats: PresentEngine = ({ credential, address }) => ({
  connection_url: `${address.protocol === 'tls' ? 'tls' : 'nats'}://${address.host}:${address.port}`,
  // Nothing opens by it: it names the version, as with every queue.
  credentials: { key_id: credential.username },
  warning: OPEN_SERVER,
});

/** For answers about a resource that no server keeps others out of; null for every other. */
export function openServerWarning({ details }: Pick<ResourceWithCredential, 'details'>): string | null {
  return details?.auth_mode === 'legacy_open' ? OPEN_SERVER : null;
}

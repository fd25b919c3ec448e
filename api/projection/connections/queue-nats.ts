// A queue on NATS: the key to it is what was minted for the credential.
import type { PresentEngine } from './queue';

/** Minted secrets are stored since they were issued: the api signs nothing, and the stored password, which keys come from, is not told. */
export const presentNats: PresentEngine = ({ credential, issued, address }) => ({
  connection_url: `${address.protocol === 'tls' ? 'tls' : 'nats'}://${address.host}:${address.port}`,
  credentials: { key_id: credential.username, ...issued },
});

// The keys of a credential version, computed from its stored password: every attempt comes to the same ones and none is stored.
import { hkdfSync } from 'node:crypto';
import { encodeUser, fmtCreds } from '@nats-io/jwt';
import { type NatsCredentialState, Nkey, natsAccountId, type QueueCredential, type QueueSecrets } from '../../../shared/queueprovider';

interface CredentialKeys {
  /** Of the account, for the users of this version alone. */
  signingKey: Nkey;
  user: Nkey;
}

export function credentialKeys(objectName: string, credential: QueueCredential): CredentialKeys {
  const derive = (purpose: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', credential.password, objectName, `leasehold/nats/${purpose}/${credential.version}`, 32));
  return { signingKey: Nkey.fromRawSeed('account', derive('signing-key')), user: Nkey.fromRawSeed('user', derive('user')) };
}

export function credentialState(objectName: string, credential: QueueCredential): NatsCredentialState {
  const { signingKey, user } = credentialKeys(objectName, credential);
  return { version: credential.version, signingKey: signingKey.getPublicKey(), user: user.getPublicKey() };
}

/** What the tenant gets. The token says who signed it and nothing of what it may do: that is in the account, where it can be changed. */
export async function mintUser(objectName: string, credential: QueueCredential): Promise<QueueSecrets> {
  const { signingKey, user } = credentialKeys(objectName, credential);
  const scoped = { scopedUser: true, signer: signingKey };
  const jwt = await encodeUser(credential.username, user, natsAccountId(objectName), {}, scoped);
  return { nats_jwt: jwt, nats_nkey: user.seed, creds_file: new TextDecoder().decode(fmtCreds(jwt, user)), key_id: user.getPublicKey() };
}

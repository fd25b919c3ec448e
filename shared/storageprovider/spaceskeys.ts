// Spaces access keys, one for each credential version: the name says the version and whether it only reads, the grant whether it is cut.
import { z } from 'zod';
import { loginName, parseLoginName } from '../resourcetype';
import { KeyLost } from './storeerrors';
import type { AccessState, CallOptions, IssuedKey, IssueRequest, StoragePlace } from './types';
import { NOT_FOUND, type VendorApi } from './vendorapi';

const PATH = '/v2/spaces/keys';
/** What one page may hold; an account has 200 keys unless DigitalOcean raised it ("Spaces Limits"). */
const PAGE = 200;
const READ_ONLY = '.readonly';

const keySchema = z.object({
  name: z.string(),
  access_key: z.string().min(1),
  grants: z
    .array(z.object({ bucket: z.string(), permission: z.string() }))
    .nullish()
    .transform((grants) => grants ?? []),
});
const createdSchema = z.object({ key: keySchema.extend({ secret_key: z.string().min(1) }) });
const listSchema = z.object({ keys: z.array(keySchema), meta: z.object({ total: z.int() }) });

interface Key {
  objectName: string;
  version: number;
  accessKeyId: string;
  access: AccessState;
}

/**
 * GET, POST /v2/spaces/keys and PUT, DELETE /v2/spaces/keys/{access_key} (DigitalOcean API reference, "Spaces Keys"). Taking a key's
 * buckets away is how access is revoked for a time ("How to Manage Access to Spaces"); a secret is shown once, when the key is made.
 */
export class SpacesKeys {
  readonly #api: VendorApi;

  constructor(api: VendorApi) {
    this.#api = api;
  }

  async check(options: CallOptions = {}): Promise<void> {
    await this.#page(1, options);
  }

  async versions(objectName: string, options: CallOptions = {}): Promise<number[]> {
    return [...new Set((await this.#of(objectName, options)).map(({ version }) => version))];
  }

  /** What holds for one holds for all; where an interruption left them apart, the stricter one does. */
  async access(objectName: string, options: CallOptions = {}): Promise<AccessState | null> {
    const keys = await this.#of(objectName, options);
    if (keys.length === 0) return null;
    return { cut: keys.some(({ access }) => access.cut), readOnly: keys.some(({ access }) => access.readOnly) };
  }

  async issue({ place, version, access, stored, store }: IssueRequest, options: CallOptions = {}): Promise<void> {
    const kept = await this.#onlyKey(place.objectName, version, stored, options);
    if (stored !== null) {
      if (kept === undefined)
        throw new KeyLost(`the store has lost the key of ${loginName(place.objectName, version)}: rotate the credentials`);
      return await this.#update(kept, place, access, options);
    }
    const made = await this.#create(place, version, access, options);
    // Again: a POST that took effect and was answered with an error was repeated, and nobody knows what it made first.
    await this.#onlyKey(place.objectName, version, await store(made), options);
  }

  async setAccess(place: StoragePlace, access: AccessState, options: CallOptions = {}): Promise<void> {
    for (const key of await this.#of(place.objectName, options)) await this.#update(key, place, access, options);
  }

  async revoke(objectName: string, version: number, options: CallOptions = {}): Promise<void> {
    for (const key of await this.#of(objectName, options)) if (key.version === version) await this.#delete(key.accessKeyId, options);
  }

  async revokeAll(objectName: string, options: CallOptions = {}): Promise<boolean> {
    const keys = await this.#of(objectName, options);
    for (const { accessKeyId } of keys) await this.#delete(accessKeyId, options);
    return keys.length > 0;
  }

  async list(prefix: string, options: CallOptions = {}): Promise<string[]> {
    const names = (await this.#keys(options)).map(({ objectName }) => objectName).filter((name) => name.startsWith(prefix));
    return [...new Set(names)];
  }

  /** Ends every key of the version but the one that is stored: a key that was made and not stored is known to nobody. */
  async #onlyKey(objectName: string, version: number, stored: IssuedKey | null, options: CallOptions): Promise<Key | undefined> {
    const there = (await this.#of(objectName, options)).filter((key) => key.version === version);
    for (const key of there) if (key.accessKeyId !== stored?.accessKeyId) await this.#delete(key.accessKeyId, options);
    return there.find((key) => key.accessKeyId === stored?.accessKeyId);
  }

  async #of(objectName: string, options: CallOptions): Promise<Key[]> {
    return (await this.#keys(options)).filter((key) => key.objectName === objectName);
  }

  async #keys({ signal }: CallOptions): Promise<Key[]> {
    const keys: Key[] = [];
    for (let page = 1, seen = 0, total = 1; seen < total; page += 1) {
      const answer = await this.#page(page, { signal });
      for (const key of answer.keys.map(keyOf)) if (key !== null) keys.push(key);
      seen += answer.keys.length;
      total = answer.keys.length === 0 ? 0 : answer.meta.total;
    }
    return keys.sort((a, b) => a.version - b.version);
  }

  async #page(page: number, { signal }: CallOptions): Promise<z.infer<typeof listSchema>> {
    const path = `${PATH}?page=${page}&per_page=${PAGE}`;
    const answer = await this.#api.call({ method: 'GET', path, answer: listSchema, signal });
    if (answer === NOT_FOUND)
      throw new Error(
        'this DigitalOcean account has no API for Spaces keys: leave api_token_env out, and the platform signs (mode broker)',
      );
    return answer;
  }

  async #create(place: StoragePlace, version: number, access: AccessState, { signal }: CallOptions): Promise<IssuedKey> {
    const body = bodyOf(place, version, access);
    const answer = await this.#api.call({ method: 'POST', path: PATH, body, answer: createdSchema, signal });
    if (answer === NOT_FOUND) throw new Error('this DigitalOcean account has no API for Spaces keys');
    return { accessKeyId: answer.key.access_key, secretAccessKey: answer.key.secret_key };
  }

  async #update(key: Key, place: StoragePlace, access: AccessState, { signal }: CallOptions): Promise<void> {
    if (key.access.cut === access.cut && key.access.readOnly === access.readOnly) return;
    const path = `${PATH}/${encodeURIComponent(key.accessKeyId)}`;
    const answer = z.object({ key: keySchema });
    const updated = await this.#api.call({ method: 'PUT', path, body: bodyOf(place, key.version, access), answer, signal });
    if (updated === NOT_FOUND) throw new Error(`the key of ${place.objectName} went away meanwhile`);
    const now = keyOf(updated.key);
    if (now?.access.cut !== access.cut || now.access.readOnly !== access.readOnly)
      throw new Error(`DigitalOcean answered success and left the grants of ${place.objectName} as they were`);
  }

  async #delete(accessKeyId: string, { signal }: CallOptions): Promise<void> {
    await this.#api.call({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(accessKeyId)}`, answer: z.null(), signal });
  }
}

/** The only shape there is: a bucket and one of read, readwrite, fullaccess. */
function bodyOf({ objectName, bucket }: StoragePlace, version: number, { cut, readOnly }: AccessState) {
  return {
    name: `${loginName(objectName, version)}${readOnly ? READ_ONLY : ''}`,
    grants: cut ? [] : [{ bucket, permission: readOnly ? 'read' : 'readwrite' }],
  };
}

/** Null for a key that is none of ours. */
function keyOf({ name, access_key, grants }: z.infer<typeof keySchema>): Key | null {
  const readOnly = name.endsWith(READ_ONLY);
  const login = parseLoginName(readOnly ? name.slice(0, -READ_ONLY.length) : name);
  return login === null ? null : { ...login, accessKeyId: access_key, access: { cut: grants.length === 0, readOnly } };
}

// How a ring of keys is written: `k1:<base64 of 32 bytes>,k0:<...>`, the active one first.

const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;

/** @throws Error that names the position or the id, never the key */
export function parseKeys(text: string): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const [index, entry] of text.split(',').entries()) {
    const position = `key ${index + 1}`;
    const separator = entry.indexOf(':');
    const id = entry.slice(0, separator).trim();
    if (separator < 0 || !KEY_ID.test(id)) throw new Error(`${position} of the ring is not written as <id>:<base64>`);
    const key = Buffer.from(entry.slice(separator + 1).trim(), 'base64');
    if (key.length !== KEY_BYTES) throw new Error(`${position} of the ring ("${id}") has ${key.length} bytes, not ${KEY_BYTES}`);
    if (keys.has(id)) throw new Error(`the id "${id}" is in the ring twice`);
    keys.set(id, key);
  }
  return keys;
}

/** The key that new output is made with. */
export function activeKey(keys: ReadonlyMap<string, Buffer>): [id: string, key: Buffer] {
  for (const entry of keys) return entry;
  throw new Error('the ring has no key');
}

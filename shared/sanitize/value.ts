// Deep copies of values with what is secret in them replaced.
import { REDACTED, sanitizeText } from './text';

const DEEPEST = 12;
/** Beyond so many values the rest is left out: a log line is no dump. */
const MOST_VALUES = 5_000;

const SECRET_WORDS = new Set([
  'password',
  'passwords',
  'passwd',
  'pwd',
  'passphrase',
  'pass',
  'secret',
  'secrets',
  'token',
  'tokens',
  'tok',
  'authorization',
  'auth',
  'cookie',
  'cookies',
  'credential',
  'credentials',
  'creds',
  'nkey',
  'seed',
  'jwt',
  'apikey',
  'dsn',
  'verifier',
  'plaintext',
]);
const SECRET_PAIRS = new Set([
  'api_key',
  'api_keys',
  'access_key',
  'private_key',
  'secret_key',
  'signing_key',
  'encryption_key',
  'master_key',
  'session_key',
  'connection_url',
  'connection_uri',
  'connection_string',
  'database_url',
  'admin_url',
  'receive_url',
  'claim_url',
  'presigned_url',
  'stored_key',
  'server_key',
]);
/** `credentials_version` or `token_id` name a secret and are none. */
const HARMLESS_LAST_WORDS = new Set([
  'id',
  'version',
  'count',
  'at',
  'ms',
  'seconds',
  'type',
  'mode',
  'length',
  'remaining',
  'env',
  'until',
]);

/** Whether what stands under this key is secret by its name, however it is spelt (`apiKey`, `API-KEY`, `nats_jwt`). */
export function isSecretKey(key: string): boolean {
  const words = key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  if (HARMLESS_LAST_WORDS.has(words.at(-1) ?? '')) return false;
  return words.some((word, index) => SECRET_WORDS.has(word) || SECRET_PAIRS.has(`${word}_${words[index + 1] ?? ''}`));
}

function isErrorLike(value: object): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

/** A getter may throw, and so may a proxy. */
function read(source: object, key: string): unknown {
  try {
    return Reflect.get(source, key);
  } catch {
    return '[Unreadable]';
  }
}

class Copier {
  readonly #ancestors = new Set<object>();
  #values = 0;

  copy(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return sanitizeText(value);
      case 'bigint':
        return value.toString();
      case 'symbol':
        return sanitizeText(value.toString());
      case 'function':
        return '[Function]';
      case 'object':
        return value === null ? null : this.#copyObject(value);
      default:
        return value;
    }
  }

  #copyObject(value: object): unknown {
    this.#values += 1;
    if (this.#values > MOST_VALUES) return '[Truncated]';
    if (this.#ancestors.has(value)) return '[Circular]';
    if (this.#ancestors.size >= DEEPEST) return '[Too deep]';
    this.#ancestors.add(value);
    try {
      return this.#copyByClass(value);
    } catch {
      return '[Unreadable]';
    } finally {
      this.#ancestors.delete(value);
    }
  }

  #copyByClass(value: object): unknown {
    if (isErrorLike(value)) return this.#copyError(value);
    if (Array.isArray(value)) return this.#copyList(value);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof Map) return this.#copyMap(value);
    if (value instanceof Set) return this.#copyList([...value]);
    if (value instanceof URL) return sanitizeText(value.href);
    if (value instanceof URLSearchParams) return this.#copyMap(new Map(value));
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof RegExp) return sanitizeText(String(value));
    if (value instanceof String || value instanceof Number || value instanceof Boolean) return this.copy(value.valueOf());
    return this.#copyKeys(value, Object.keys(value));
  }

  /** In a flat list of headers (`['Authorization', 'Bearer ...']`) a secret name makes the next element secret. */
  #copyList(list: readonly unknown[]): unknown[] {
    let secretNext = false;
    const copies: unknown[] = [];
    for (const element of list) {
      if (this.#values > MOST_VALUES) {
        copies.push('[Truncated]');
        break;
      }
      this.#values += 1;
      copies.push(secretNext && typeof element === 'string' ? REDACTED : this.copy(element));
      secretNext = !secretNext && typeof element === 'string' && element.length <= 64 && isSecretKey(element);
    }
    return copies;
  }

  #copyMap(map: ReadonlyMap<unknown, unknown>): Record<string, unknown> {
    const target: Record<string, unknown> = {};
    for (const [key, value] of map) {
      const name = typeof key === 'string' ? key : String(this.copy(key));
      if (!this.#put(target, name, value)) break;
    }
    return target;
  }

  #copyKeys(source: object, keys: readonly string[], target: Record<string, unknown> = {}): Record<string, unknown> {
    // {name: 'authorization', value: '...'} is how some libraries hold a header or a variable.
    const name = read(source, 'name') ?? read(source, 'key');
    const valueIsSecret = typeof name === 'string' && isSecretKey(name);
    for (const key of keys) {
      const value = read(source, key);
      if (!this.#put(target, key, valueIsSecret && key === 'value' ? REDACTED : value)) break;
    }
    return target;
  }

  #copyError(error: Error): Record<string, unknown> {
    const target: Record<string, unknown> = {};
    // These are not enumerable, or are getters of the class, so they are named.
    for (const key of ['name', 'message', 'stack', 'code', 'cause', 'errors']) {
      const value = read(error, key);
      if (value !== undefined) this.#put(target, key, value);
    }
    const rest = Object.keys(error).filter((key) => !Object.hasOwn(target, key));
    return this.#copyKeys(error, rest, target);
  }

  /** False once too much has been copied. */
  #put(target: Record<string, unknown>, key: string, value: unknown): boolean {
    this.#values += 1;
    const full = this.#values > MOST_VALUES;
    const tellsNothing = value === undefined || value === null || typeof value === 'boolean' || value === '';
    const copied = full ? '[Truncated]' : isSecretKey(key) && !tellsNothing ? REDACTED : this.copy(value);
    // Plain assignment to __proto__ would set the prototype.
    Object.defineProperty(target, sanitizeText(key), { value: copied, enumerable: true, configurable: true, writable: true });
    return !full;
  }
}

/**
 * A plain deep copy, fit for JSON, in which secrets are `[REDACTED]`: by the name of their key, and by their form inside any string.
 * Errors come out with name, message, stack, cause and errors; cycles, great depth, binary data and unreadable getters as a short word
 * in brackets. Never throws and never changes its argument.
 */
export function sanitize(value: unknown): unknown {
  return new Copier().copy(value);
}

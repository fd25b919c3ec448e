import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aRow, keyring, RESOURCE_ID, TOKEN } from '../testing/fakes';
import { decodeListCursor, decodeRevisionCursor, encodeListCursor, encodeRevisionCursor } from './cursor';
import { leaseLength, toAdminItem, toItem, wireLimits } from './item';
import { createSecretReader } from './secrets';
import { waitFor } from './waiter';

describe('items', () => {
  it('shows sizes, and -1 or null where there is no limit', () => {
    const full = toItem(aRow({ storage_bytes: 10 * 1024 * 1024 + 1 }), TOKEN);
    expect(full).toMatchObject({ token: TOKEN, storage_limit_bytes: 10_485_760, storage_exceeded: true, connections_limit: 2 });
    expect(toItem(aRow({ limits: {} }), null)).toMatchObject({ storage_limit_bytes: null, storage_exceeded: false, connections_limit: -1 });
    expect(wireLimits('postgres', {}, null)).toEqual({ storage_mb: -1, connections: -1 });
    expect(wireLimits('redis', { memoryMb: 5 }, '24h')).toEqual({ memory_mb: 5, expires_in: '24h' });
    expect(leaseLength(aRow())).toBe('24h');
    expect(leaseLength(aRow({ expires_at: null }))).toBeNull();
  });

  it('shows operators no token and nothing encrypted', () => {
    const text = JSON.stringify(toAdminItem(aRow()));
    expect(text).not.toContain(TOKEN);
    expect(text).not.toMatch(/encrypted|hash/);
  });
});

describe('secrets', () => {
  const failures: string[] = [];
  const addresses = new Map([['postgres-tenants', { protocol: 'postgres', host: '::1', port: 1 }]]);
  const reader = createSecretReader({
    keyring,
    addresses,
    storageKeys: new Map(),
    baseUrl: 'http://leasehold.test',
    onFailure: (message) => failures.push(message),
  });
  const credential = (password: string, version = 1) => ({
    version,
    username: 'u',
    password_encrypted: keyring.encrypt(password, `credential:${RESOURCE_ID}:${version}`),
    issued_encrypted: null,
  });

  it('makes a url that a driver reads back', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (password) => {
        const url = new URL(
          reader
            .connection({ resource: aRow({ backend_name: 'postgres-tenants' }), credential: credential(password), details: null })
            .connection_url.replace('::1', '[::1]'),
        );
        expect(decodeURIComponent(url.password)).toBe(password);
      }),
    );
  });

  it('fails loudly on another row’s secret, an unknown backend, or none', () => {
    const other = { ...credential('x'), version: 2 };
    expect(() => reader.connection({ resource: aRow(), credential: other, details: null })).toThrow('cannot be read');
    expect(() => reader.connection({ resource: aRow({ backend_name: 'gone' }), credential: credential('x'), details: null })).toThrow(
      'gone) is not configured',
    );
    expect(() => reader.connection({ resource: aRow(), credential: null, details: null })).toThrow('cannot be read');
    expect(failures).toHaveLength(2);
  });
});

describe('cursors', () => {
  it('come back as they were, and nothing else does', () => {
    const position = { createdKey: '2026-01-02T03:04:05.678901Z', id: RESOURCE_ID };
    expect(decodeListCursor(encodeListCursor(position))).toEqual(position);
    expect(decodeRevisionCursor(encodeRevisionCursor(7))).toBe(7);
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const decode of [decodeListCursor, decodeRevisionCursor]) {
          try {
            decode(text);
            // Only what we could have made gets through.
            expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid_cursor' });
          }
        }
      }),
    );
  });
});

describe('waiting', () => {
  it('misses no change between a read and the wait', async () => {
    let changed: () => void = () => undefined;
    const feed = {
      subscribe: (_id: string, onChange: () => void) => {
        changed = onChange;
        return () => undefined;
      },
    };
    let value = 0;
    const read = async () => {
      value += 1;
      if (value < 3) changed();
      return value;
    };
    expect(await waitFor(feed, 'r', { timeoutMs: 5_000, read, done: (read) => read === 3 })).toBe(3);
  });

  it('ends in time, on abort, and unsubscribes', async () => {
    let open = 0;
    const feed = {
      subscribe: () => {
        open += 1;
        return () => {
          open -= 1;
        };
      },
    };
    expect(await waitFor(feed, 'r', { timeoutMs: 20, read: async () => 'late', done: () => false })).toBe('late');
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    expect(await waitFor(feed, 'r', { timeoutMs: 60_000, signal: abort.signal, read: async () => 'aborted', done: () => false })).toBe(
      'aborted',
    );
    await expect(waitFor(feed, 'r', { timeoutMs: 1, read: () => Promise.reject(new Error('away')), done: () => true })).rejects.toThrow(
      'away',
    );
    expect(open).toBe(0);
  });
});

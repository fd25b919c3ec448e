import { describe, expect, it } from '@jest/globals';
import { parseStoreConfig } from '.';

const URL_OF = 'http://key:secret@127.0.0.1:8333';

describe('parseStoreConfig', () => {
  it('reads a url, and what is usual for the rest', () => {
    expect(parseStoreConfig('https://key:se%2Fcret@s3.example.com', {})).toEqual({
      provider: 'seaweedfs',
      endpoint: 'https://s3.example.com',
      region: 'us-east-1',
      admin: { accessKeyId: 'key', secretAccessKey: 'se/cret' },
      weakIsolationAllowed: false,
      shared: null,
      sessionSeconds: 129_600,
      apiToken: null,
      vendor: {},
    });
  });

  it('reads options', () => {
    const options = { provider: 'seaweedfs', region: 'eu-west-1', mode: 'prefix-scoped', session_hours: 0.25, shared_principal: 'arn:x' };
    expect(parseStoreConfig(URL_OF, options, { shared: 'id:value', weakIsolation: true })).toMatchObject({
      region: 'eu-west-1',
      mode: 'prefix-scoped',
      sessionSeconds: 900,
      weakIsolationAllowed: true,
      shared: { key: { accessKeyId: 'id', secretAccessKey: 'value' }, principal: 'arn:x' },
    });
  });

  it.each([
    ['nonsense', {}, 'is not a url'],
    ['s3://key:secret@host', {}, 'http'],
    ['http://host:8333', {}, 'holds no key'],
    [URL_OF, { modes: 'broker' }, 'modes is not known'],
    [URL_OF, { mode: 'best' }, 'mode best'],
    [URL_OF, { provider: 'floppy' }, 'provider must be one of'],
    [URL_OF, { region: 5 }, 'region must be text'],
    [URL_OF, { session_hours: 37 }, 'session_hours'],
    [URL_OF, { session_hours: '1' }, 'session_hours'],
  ])('%s %j: %s', (url, options, reason) => expect(() => parseStoreConfig(url, options)).toThrow(reason));

  it.each(['id', 'id:', ':secret', 'a:b:c'])('the shared key %j is none', (shared) => {
    expect(() => parseStoreConfig(URL_OF, {}, { shared })).toThrow('<access key>:<secret>');
  });
  it('shows no secret in what it says', () => {
    for (const url of ['http://key:topsecret@', 'ftp://key:topsecret@host']) {
      try {
        parseStoreConfig(url, {});
      } catch (error) {
        expect(String(error)).not.toContain('topsecret');
      }
    }
  });
});

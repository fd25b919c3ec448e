import { describe, expect, it } from '@jest/globals';
import type { KindDependencies } from '../../../activities/backend';
import type { BackendConfig } from '../../../shared/plans';
import { createStorageKind } from './storage';

const backend: BackendConfig = {
  ...{ name: 'spaces', kind: 'storage', region: 'local', capacity: 1, weight: 1, drained: false, optional: false },
  ...{ host: null, adminUrlEnv: 'SPACES_ADMIN_URL', publicUrl: null, engine: null },
  options: { provider: 'spaces', api_token_env: 'SPACES_API_TOKEN' },
};

function kindWith(environment: Readonly<Record<string, string>>, options = backend.options) {
  const dependencies = { installationId: 'abcdefgh' } as KindDependencies;
  return createStorageKind({
    dependencies,
    backends: [{ ...backend, options }],
    host: null,
    secretOf: (variable) => environment[variable],
  });
}

describe('a store whose vendor has an API of its own', () => {
  const SPACES_ADMIN_URL = 'https://key:secret@fra1.digitaloceanspaces.com';
  const unproven = expect.stringContaining('never against the vendor');

  it('is refused while the variable that is named for its token is not set', () => {
    expect(() => kindWith({ SPACES_ADMIN_URL }).unproven?.('spaces')).toThrow('spaces: set SPACES_API_TOKEN to the token');
  });

  it('is taken with its token, and without one where none is named', () => {
    expect(kindWith({ SPACES_ADMIN_URL, SPACES_API_TOKEN: 'dop_v1_a' }).unproven?.('spaces')).toEqual(unproven);
    expect(kindWith({ SPACES_ADMIN_URL }, { provider: 'spaces' }).unproven?.('spaces')).toEqual(unproven);
  });
});

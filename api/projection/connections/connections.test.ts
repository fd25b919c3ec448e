// What clients connect with, kind by kind, against the shapes that the api declares.
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { RESOURCE_KINDS, type ResourceKind } from '../../../shared/resourcetype';
import { CONNECTION_SHAPES } from '../../schemas/connection';
import { aRow, TOKEN } from '../../testing/fakes';
import { type ConnectionInput, PRESENT_CONNECTION } from './index';

const NAME = 'lhabcdefgh_abcdefghijklmnopqrstuvwx';
const SEED = 'SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4';

/** As provisioning leaves them; the kinds' contract tests show that it does. */
const GIVEN: Readonly<Record<ResourceKind, Partial<ConnectionInput>>> = {
  postgres: {},
  vector: {},
  redis: { details: { mode: 'own', port: 42_000, key_prefix: '' } },
  mongodb: { details: { mode: 'ferretdb', port: 42_001, database: NAME } },
  queue: {
    details: { engine: 'nats', auth_mode: 'isolated', subject_prefix: '' },
    issued: { nats_jwt: 'a.b.c', nats_nkey: SEED, creds_file: 'text', key_id: 'UA' },
  },
  storage: {
    details: { mode: 'dedicated-bucket', bucket: 'b', prefix: '', endpoint: 'http://s3.test:8333', region: 'us-east-1' },
    issued: { access_key_id: 'AK', secret_access_key: 'SK' },
  },
  webhook: {},
};

function inputOf(kind: ResourceKind): ConnectionInput {
  return {
    resource: aRow({ kind, object_name: NAME }),
    credential: { version: 1, username: `${NAME}_1`, password: 'p/w:1@' },
    issued: null,
    details: {},
    baseUrl: 'http://api.test',
    token: TOKEN,
    address: { protocol: 'https', host: 'backend.test', port: 4222 },
    ...GIVEN[kind],
  } as ConnectionInput;
}

describe.each(RESOURCE_KINDS)('%s', (kind) => {
  it('answers exactly what its schema declares', () => {
    const present = PRESENT_CONNECTION[kind];
    const fields = present?.(inputOf(kind));
    expect(z.strictObject(CONNECTION_SHAPES[kind]).parse(fields)).toEqual(fields);
    expect(URL.canParse(fields?.connection_url ?? '')).toBe(true);
  });
});

it('a queue on RabbitMQ answers exactly what its schema declares', () => {
  const details = { engine: 'rabbitmq', auth_mode: 'isolated', vhost: NAME, subject_prefix: '' };
  const fields = PRESENT_CONNECTION.queue?.({ ...inputOf('queue'), details, issued: null });
  expect(z.strictObject(CONNECTION_SHAPES.queue).parse(fields)).toEqual(fields);
  expect(URL.canParse(fields?.connection_url ?? '')).toBe(true);
});

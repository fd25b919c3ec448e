import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { CONNECTION_SHAPES } from '../../schemas/connection';
import { presentQueue } from './queue';
import type { ConnectionInput } from './types';

const issued = { nats_jwt: 'a.b.c', nats_nkey: 'SU', creds_file: 'both', key_id: 'U' };
const input = (given: Partial<ConnectionInput>): ConnectionInput => ({
  resource: { object_name: 'lhaaaaaaaa_b' } as ConnectionInput['resource'],
  credential: { version: 1, username: 'lhaaaaaaaa_b_1', password: 'never told' },
  issued,
  details: { engine: 'nats', auth_mode: 'isolated', account_id: 'A', subject_prefix: '' },
  address: { host: 'queue.example.com', port: 4222, protocol: 'nats' },
  baseUrl: 'http://127.0.0.1',
  token: 'token',
  ...given,
});

describe('the answer for a queue', () => {
  it('has the url, and beside it what was issued', () => {
    expect(presentQueue(input({}))).toEqual({
      connection_url: 'nats://queue.example.com:4222',
      engine: 'nats',
      subject_prefix: '',
      auth_mode: 'isolated',
      credentials: { auth_mode: 'isolated', ...issued },
    });
  });

  it('keeps the stored password: keys are computed from it', () => {
    expect(JSON.stringify(presentQueue(input({})))).not.toContain('never told');
  });

  it('names the key by its user before anything was issued', () => {
    expect(presentQueue(input({ issued: null, details: {} }))).toMatchObject({
      auth_mode: 'isolated',
      credentials: { auth_mode: 'isolated', key_id: 'lhaaaaaaaa_b_1' },
    });
  });

  it('follows the scheme of the address', () => {
    expect(presentQueue(input({ address: { host: 'h', port: 1, protocol: 'tls' } })).connection_url).toBe('tls://h:1');
  });

  it('refuses an engine that it does not know, rather than answer with another’s url', () => {
    expect(() => presentQueue(input({ details: { engine: 'other', auth_mode: 'isolated' } }))).toThrow(/engine other/);
  });
});

describe('the answer for a queue on RabbitMQ', () => {
  const given = (over: Partial<ConnectionInput> = {}): ConnectionInput =>
    input({
      issued: null,
      credential: { version: 1, username: 'lhaaaaaaaa_b_1', password: 'p/w:1@' },
      details: { engine: 'rabbitmq', auth_mode: 'isolated', vhost: 'lhaaaaaaaa_b', subject_prefix: '' },
      address: { host: 'queue.example.com', port: 5672, protocol: 'amqp' },
      ...over,
    });

  it('is a url that holds user, password and vhost, and the same beside it', () => {
    expect(presentQueue(given())).toEqual({
      connection_url: 'amqp://lhaaaaaaaa_b_1:p%2Fw%3A1%40@queue.example.com:5672/lhaaaaaaaa_b',
      engine: 'rabbitmq',
      subject_prefix: '',
      auth_mode: 'isolated',
      vhost: 'lhaaaaaaaa_b',
      credentials: { auth_mode: 'isolated', username: 'lhaaaaaaaa_b_1', password: 'p/w:1@', key_id: 'lhaaaaaaaa_b_1' },
    });
  });

  it('follows the scheme of the address', () => {
    const address = { host: 'h', port: 5671, protocol: 'amqps' };
    expect(presentQueue(given({ address })).connection_url).toMatch(/^amqps:\/\/.*@h:5671\//);
  });
});

describe('the answer for a queue on an open server', () => {
  const open = input({
    issued: null,
    details: { engine: 'nats', auth_mode: 'legacy_open', subject_prefix: 'lhaaaaaaaa_b.' },
  });

  it('has a place and no key, says so, and warns', () => {
    expect(presentQueue(open)).toEqual({
      connection_url: 'nats://queue.example.com:4222',
      engine: 'nats',
      subject_prefix: 'lhaaaaaaaa_b.',
      auth_mode: 'legacy_open',
      credentials: { auth_mode: 'legacy_open', key_id: 'lhaaaaaaaa_b_1' },
      warning: expect.stringContaining('without credentials'),
    });
    expect(JSON.stringify(presentQueue(open))).not.toContain('never told');
  });

  it('keeps to what the schema declares', () => {
    expect(z.strictObject(CONNECTION_SHAPES.queue).parse(presentQueue(open))).toEqual(presentQueue(open));
  });
});

describe('the answer for a queue on Kafka', () => {
  const given = (over: Partial<ConnectionInput> = {}): ConnectionInput =>
    input({
      issued: null,
      credential: { version: 2, username: 'lhaaaaaaaa_b_2', password: 'p' },
      details: { engine: 'kafka', auth_mode: 'isolated', subject_prefix: 'lhaaaaaaaa_b.', security_protocol: 'SASL_SSL' },
      address: { host: 'kafka.example.com', port: 9092, protocol: 'kafka' },
      ...over,
    });

  it('is a bootstrap server as it stands, the prefix that names begin with, and a login', () => {
    expect(presentQueue(given())).toEqual({
      connection_url: 'kafka.example.com:9092',
      engine: 'kafka',
      subject_prefix: 'lhaaaaaaaa_b.',
      auth_mode: 'isolated',
      credentials: {
        auth_mode: 'isolated',
        username: 'lhaaaaaaaa_b_2',
        password: 'p',
        mechanism: 'SCRAM-SHA-512',
        security_protocol: 'SASL_SSL',
        key_id: 'lhaaaaaaaa_b_2',
      },
    });
  });

  it('names the tenants’ own listener where there is one', () => {
    const details = { ...given().details, bootstrap_servers: 'a:1,b:2' };
    expect(presentQueue(given({ details })).connection_url).toBe('a:1,b:2');
  });
});

import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { formatKafkaAdminUrl, formatKafkaBrokers, parseKafkaAdminUrl } from './kafka-admin';

const port = fc.integer({ min: 1, max: 65_535 });
const broker = fc.record({ host: fc.oneof(fc.constantFrom('a.example.com', '127.0.0.1', '::1', '2001:db8::1'), fc.domain()), port });
const secret = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' }).filter((text) => text.trim() !== '');

describe('the admin url of a Kafka cluster', () => {
  test('holds what was written into it', () => {
    fc.assert(
      fc.property(
        fc.record({
          username: secret,
          password: secret,
          brokers: fc.array(broker, { minLength: 1, maxLength: 4 }),
          tenantBrokers: fc.array(broker, { maxLength: 3 }),
          mechanism: fc.constantFrom('SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'),
          tls: fc.boolean(),
        }),
        (admin) => {
          expect(parseKafkaAdminUrl(formatKafkaAdminUrl(admin))).toEqual(admin);
        },
      ),
    );
  });

  test('has usual values for what it leaves out', () => {
    expect(parseKafkaAdminUrl('kafka://admin:secret@kafka.example.com')).toEqual({
      username: 'admin',
      password: 'secret',
      brokers: [{ host: 'kafka.example.com', port: 9092 }],
      tenantBrokers: [],
      mechanism: 'SCRAM-SHA-512',
      tls: false,
    });
  });

  test.each([
    ['of another scheme', 'http://admin:secret@host', 'must be kafka://'],
    ['without a password', 'kafka://admin@host', 'user and the password'],
    ['with another mechanism', 'kafka://admin:secret@host?mechanism=gssapi', 'mechanism must be one of'],
    ['with tls that is no word of ours', 'kafka://admin:secret@host?tls=yes', 'on or off'],
    ['with brokers that are none', 'kafka://admin:secret@host?brokers=a:b', 'host:port'],
    ['that is no url', 'kafka', 'cannot be read'],
  ])('%s is refused with the remedy, and not told', (_what, url, remedy) => {
    expect(() => parseKafkaAdminUrl(url)).toThrow(remedy);
    expect(() => parseKafkaAdminUrl(url)).not.toThrow('secret');
  });

  test('brokers are written as clients take them', () => {
    expect(
      formatKafkaBrokers([
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
      ]),
    ).toBe('a:1,[::1]:2');
  });
});

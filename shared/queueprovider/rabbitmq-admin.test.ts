import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatRabbitmqAdminUrl, parseRabbitmqAdminUrl } from './rabbitmq-admin';

describe('the admin url of a RabbitMQ server', () => {
  test('what was written is read again, whatever the password', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme-ascii' }), fc.integer({ min: 1, max: 65_535 }), (password, port) => {
        const admin = { amqp: `amqp://127.0.0.1:${port}`, management: 'http://127.0.0.1:15672', username: 'leasehold', password };
        expect(parseRabbitmqAdminUrl(formatRabbitmqAdminUrl(admin))).toEqual(admin);
      }),
    );
  });

  test('has the usual ports where none are given', () => {
    expect(parseRabbitmqAdminUrl('amqp://a:b@mq')).toMatchObject({ amqp: 'amqp://mq:5672', management: 'http://mq:15672' });
    expect(parseRabbitmqAdminUrl('amqps://a:b@mq')).toMatchObject({ amqp: 'amqps://mq:5671', management: 'https://mq:15671' });
  });

  test('may lead to a management that is elsewhere, below a path', () => {
    const url = `amqps://a:b@mq?management=${encodeURIComponent('https://proxy/mq/')}`;
    expect(parseRabbitmqAdminUrl(url).management).toBe('https://proxy/mq');
  });

  test.each([
    ['nonsense', /cannot be read/],
    ['http://a:b@mq:15672', /must be amqp/],
    ['amqp://mq', /needs user and password/],
    ['amqp://a:sesame@mq?management=ftp%3A%2F%2Fmq', /http\(s\) url/],
    ['amqp://a:sesame@mq?management=http%3A%2F%2Fx%3Ay%40mq', /holds no user/],
  ])('%s is refused with the remedy, and the password is not told', (text, remedy) => {
    expect(() => parseRabbitmqAdminUrl(text)).toThrow(remedy);
    expect(() => parseRabbitmqAdminUrl(text)).not.toThrow(/sesame/);
  });
});

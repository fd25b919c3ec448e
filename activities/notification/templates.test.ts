// What others wrote stays text, in every mail; and what a mail says.
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs } from './deliver';
import { type MailEvent, type MailFacts, renderMail } from './templates';

const FACTS: MailFacts = {
  kind: 'postgres',
  name: 'orders',
  env: 'development',
  event: { type: 'expiring', timeLeft: '2h', expiresAt: '2026-11-21T18:00:00.000Z' },
  extendUrl: 'https://lease.test/notifications/x',
  claimUrl: 'https://lease.test/start?t=y&z=1',
  resourceUrl: 'https://lease.test/api/v1/resources/1',
  unsubscribeUrl: 'https://lease.test/notifications/x/unsubscribe',
};

describe('renderMail', () => {
  it('says what is left, until when, and what can be done', () => {
    const { subject, text, html } = renderMail(FACTS);
    expect(subject).toBe('postgres "orders" expires in 2h');
    expect(text).toContain('expires in 2h, at 2026-11-21 18:00 UTC.');
    for (const url of [FACTS.extendUrl, FACTS.claimUrl, FACTS.resourceUrl, FACTS.unsubscribeUrl]) expect(text).toContain(url ?? '');
    expect(html).toContain('href="https://lease.test/start?t=y&amp;z=1"');
  });

  it('offers nothing that is of no use any more', () => {
    expect(renderMail({ ...FACTS, event: { type: 'deleted', reason: 'expired' } }).text).not.toContain('/start');
    expect(renderMail({ ...FACTS, event: { type: 'expired', keptUntil: null } }).text).not.toContain('/start');
    expect(renderMail({ ...FACTS, event: { type: 'expired', keptUntil: '2026-11-22T18:00:00.000Z' } }).text).toContain('/start');
  });

  it('lets nothing that others wrote become a tag, an attribute or a header', () => {
    const hostile = fc.string().map((text) => `"><script>alert(1)</script>'\r\nBcc: x@example.test${text}`);
    const event = fc.oneof(
      hostile.map((reason): MailEvent => ({ type: 'suspended', reason })),
      hostile.map((reason): MailEvent => ({ type: 'deleted', reason })),
    );
    fc.assert(
      fc.property(hostile, hostile, event, (name, env, told) => {
        const { subject, html } = renderMail({ ...FACTS, name, env, event: told });
        expect(subject).not.toMatch(/[\r\n]/);
        expect(html).not.toContain('<script');
        expect(
          html.match(/<[a-z]+/g)?.every((tag) => ['<html', '<head', '<meta', '<title', '<body', '<p', '<a', '<br'].includes(tag)),
        ).toBe(true);
      }),
    );
  });
});

describe('backoffMs', () => {
  it('doubles, a fifth more or less, up to its cap', () => {
    const settings = { firstBackoffMs: 5_000, maximumBackoffMs: 3_600_000 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), (attempt) => {
        const expected = Math.min(3_600_000, 5_000 * 2 ** Math.min(40, attempt - 1));
        const actual = backoffMs(attempt, settings);
        expect(actual).toBeGreaterThanOrEqual(Math.floor(expected * 0.8));
        expect(actual).toBeLessThanOrEqual(Math.ceil(expected * 1.2));
      }),
    );
  });
});

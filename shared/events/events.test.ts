import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { resourceEventJsonSchema, resourceEventTable } from './document';
import { EVENT_SUBJECTS, eventSubject, RESOURCE_EVENT_TYPES, readResourceEvent, resourceEvent, resourceEventId } from './index';

const docs = (name: string) => readFileSync(join(__dirname, '../../docs', name), 'utf8');
const facts = {
  resource_id: '1f8f7f2e-6d1f-4a4e-9a43-0c3f6f1f7c11',
  resource_type: 'postgres',
  resource_name: 'orders',
  team_id: null,
  revision: 4,
  status: 'active',
  occurred_at: '2026-11-21T12:00:00.000Z',
  request_id: 'a request',
};
const expiring = resourceEvent({ type: 'resource.expiring', data: { rung: '2h', expires_at: '2026-11-21T14:00:00.000Z' } }, facts);

describe('an event', () => {
  it('is what its schema says, with an id that is the same on every attempt', () => {
    expect(readResourceEvent(JSON.parse(JSON.stringify(expiring)))).toEqual({ isKnown: true, event: expiring });
    expect(expiring).toMatchObject({ id: resourceEventId(facts.resource_id, 4), version: 1 });
  });

  it('may have more fields than a consumer knows', () => {
    const later = {
      ...expiring,
      region: 'moon',
      data: { ...expiring.data, colour: 'red' },
      status: 'hibernating',
      resource_type: 'teapot',
    };
    const { isKnown, event } = readResourceEvent(later);
    expect(isKnown).toBe(true);
    expect(event).toEqual({ ...expiring, status: 'hibernating', resource_type: 'teapot' });
  });

  it('of a later type is told apart, and is no error', () => {
    const { isKnown, event } = readResourceEvent({ ...expiring, type: 'resource.hibernated', data: { since: 'today' } });
    expect(isKnown).toBe(false);
    expect(event).toMatchObject({ type: 'resource.hibernated', data: { since: 'today' }, resource_id: facts.resource_id });
  });

  it.each([
    ['another version', { ...expiring, version: 2 }],
    ['a known type without its data', { ...expiring, data: {} }],
    ['no id', { ...expiring, id: undefined }],
    ['no event at all', 'expiring'],
  ])('with %s is refused', (_, message) => {
    expect(() => readResourceEvent(message)).toThrow();
  });
});

describe('its subject', () => {
  it('names version, kind and type', () => {
    expect(eventSubject(expiring)).toBe('leasehold.events.v1.postgres.resource.expiring');
    const subjects = RESOURCE_EVENT_TYPES.map((type) => eventSubject({ ...facts, version: 1, type }));
    expect(new Set(subjects).size).toBe(RESOURCE_EVENT_TYPES.length);
  });

  it('is never a wildcard, whatever the event holds', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (resource_type, type) => {
        let subject: string;
        try {
          subject = eventSubject({ version: 1, resource_type, type });
        } catch {
          return;
        }
        expect(subject).toMatch(/^leasehold\.events\.v1(\.[a-z0-9_-]+){2,5}$/);
        expect(subject.startsWith(EVENT_SUBJECTS.slice(0, -1))).toBe(true);
      }),
    );
    for (const type of ['*', '>', 'a.*', 'a b', '', '.', 'a..b', 'resource.', 'a\r\nPUB b 0'])
      expect(() => eventSubject({ version: 1, resource_type: 'postgres', type })).toThrow();
  });
});

describe('docs', () => {
  const remedy = 'run npm run events:docs';

  it('hold the schema of every event', () => {
    expect({ remedy, schema: JSON.parse(docs('events.schema.json')) }).toEqual({ remedy, schema: resourceEventJsonSchema() });
  });

  it('hold the table of every event', () => {
    const [, table] = /<!-- events -->\n\n([\s\S]*?)\n\n<!-- \/events -->/.exec(docs('events.md')) ?? [];
    expect({ remedy, table }).toEqual({ remedy, table: resourceEventTable() });
  });
});

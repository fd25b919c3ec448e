import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isLive,
  isTerminal,
  nextStatus,
  RESOURCE_EVENTS,
  RESOURCE_STATUSES,
  type ResourceStatus,
  statusFromFacts,
  TRANSITIONS,
} from './index';

const anyStatus = fc.constantFrom(...RESOURCE_STATUSES);
const anyEvent = fc.constantFrom(...RESOURCE_EVENTS);
const anyFacts = fc.record({ pausedByOwner: fc.boolean(), suspendedReason: fc.option(fc.string()) });

describe('nextStatus', () => {
  it('leaves a terminal status by no event', () => {
    fc.assert(
      fc.property(fc.constantFrom<ResourceStatus>('deleted', 'failed'), anyEvent, anyFacts, (status, event, facts) => {
        expect(nextStatus(status, event, facts)).toBeNull();
      }),
    );
  });

  it('always lands on a known status, and only where the table allows the event', () => {
    fc.assert(
      fc.property(anyStatus, anyEvent, anyFacts, (status, event, facts) => {
        const next = nextStatus(status, event, facts);
        expect(next === null).toBe(!TRANSITIONS[event].from.includes(status));
        if (next !== null) expect(RESOURCE_STATUSES).toContain(next);
      }),
    );
  });

  it('can always be deleted unless it is gone or already going', () => {
    for (const status of RESOURCE_STATUSES) {
      const next = nextStatus(status, 'delete_started', { pausedByOwner: false, suspendedReason: null });
      expect(next).toBe(isTerminal(status) || status === 'deleting' ? null : 'deleting');
    }
  });

  it('reaches deleted or failed from every status', () => {
    const facts = { pausedByOwner: false, suspendedReason: null };
    for (const start of RESOURCE_STATUSES) {
      const seen = new Set<ResourceStatus>([start]);
      const queue: ResourceStatus[] = [start];
      for (let status = queue.pop(); status !== undefined; status = queue.pop()) {
        for (const event of RESOURCE_EVENTS) {
          const next = nextStatus(status, event, facts);
          if (next !== null && !seen.has(next)) {
            seen.add(next);
            queue.push(next);
          }
        }
      }
      expect([...seen].some(isTerminal)).toBe(true);
    }
  });

  it('restores a pause when a suspension is lifted', () => {
    expect(nextStatus('suspended', 'unsuspended', { pausedByOwner: true, suspendedReason: null })).toBe('paused');
    expect(nextStatus('expired', 'extended_in_grace', { pausedByOwner: true, suspendedReason: 'abuse' })).toBe('suspended');
  });

  it('gives a suspension precedence over a pause', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const status = statusFromFacts(facts);
        expect(isLive(status)).toBe(true);
        expect(status === 'suspended').toBe(facts.suspendedReason !== null);
      }),
    );
  });
});

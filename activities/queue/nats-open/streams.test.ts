import { describe, expect, it } from '@jest/globals';
import { DiscardPolicy, type StreamConfig } from '@nats-io/jetstream';
import { haltedConfig, releasedConfig } from './streams';

const config = (given: Partial<StreamConfig>) =>
  ({ name: 'a', subjects: ['a'], discard: DiscardPolicy.Old, max_bytes: -1, max_msgs_per_subject: -1, ...given }) as StreamConfig;
const released = (given: StreamConfig) => releasedConfig({ ...given, ...haltedConfig(given) } as StreamConfig);

describe('a stream that is held', () => {
  it('refuses a new value of a subject only where the server knows such a limit, and is released as it was', () => {
    const keepsAll = config({ metadata: { mine: 'yes' } });
    const keepsLast = config({ max_msgs_per_subject: 1, discard: DiscardPolicy.New, discard_new_per_subject: true, max_bytes: 10 });
    expect(haltedConfig(keepsAll)).toMatchObject({ discard: 'new', max_bytes: 1, discard_new_per_subject: false });
    expect(haltedConfig(keepsLast)).toMatchObject({ discard: 'new', max_bytes: 1, discard_new_per_subject: true });
    expect(released(keepsAll)).toEqual({ ...keepsAll, discard_new_per_subject: false });
    expect(released(keepsLast)).toEqual({ ...keepsLast, metadata: {} });
  });

  it('is released to what the server takes, whatever a client wrote as its memory', () => {
    for (const memory of ['x', 'null', '[]', '{"discard":"old","discard_new_per_subject":true,"max_bytes":"a"}'])
      expect(releasedConfig(config({ max_msgs_per_subject: 1, metadata: { 'leasehold-halted': memory } }))).toMatchObject({
        discard: 'old',
        discard_new_per_subject: false,
        max_bytes: -1,
      });
  });
});

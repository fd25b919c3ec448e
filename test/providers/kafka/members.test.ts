// What members of a group tell each other is theirs alone: deleting the queue sends them away and reads none of it.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { joinGroupV9, syncGroupV5 } from '@platformatic/kafka';
import { isAnswer } from '../../../activities/queue/kafka/cluster';
import { openWorld, type Tenant, type World } from '../../attacks/kafka/world';
import { kafkaIsHere } from './harness';

const SESSION_MS = 300_000;
/** Version 0, no topic, nothing of one's own. */
const SUBSCRIPTION = Buffer.from('000000000000ffffffff', 'hex');

interface Words {
  protocolType: string;
  metadata: Buffer;
  assignment: Buffer;
}

/** As one alone in its group, until the cluster calls the group stable: only then are its words told to who asks. */
async function join({ connection, group }: Tenant, { protocolType, metadata, assignment }: Words): Promise<void> {
  const protocols = [{ name: 'own', metadata }];
  const joinAs = (memberId: string) =>
    joinGroupV9.api.async(connection, group, SESSION_MS, SESSION_MS, memberId, null, protocolType, protocols);
  const memberId = await joinAs('').then(
    (answer) => answer.memberId ?? '',
    (error: unknown) => {
      if (!isAnswer(error, 'MEMBER_ID_REQUIRED')) throw error;
      return (error as { response: { memberId: string } }).response.memberId;
    },
  );
  const { generationId } = await joinAs(memberId);
  await syncGroupV5.api.async(connection, group, generationId, memberId, null, protocolType, 'own', [{ memberId, assignment }]);
}

const NAME = 'a queue on Kafka whose group has a member';

if (!kafkaIsHere()) describe(NAME, () => test.skip('skipped: no server', () => {}));
else
  describe(NAME, () => {
    let world: World;
    beforeAll(async () => {
      world = await openWorld();
    });
    afterAll(() => world.close());

    // An error in the library's own callback is nobody's to catch: it would end the worker, and here the test.
    test.each<[string, Words]>([
      ['one byte of metadata and no assignment', { protocolType: 'consumer', metadata: Buffer.of(1), assignment: Buffer.alloc(0) }],
      ['an assignment of one byte', { protocolType: 'consumer', metadata: SUBSCRIPTION, assignment: Buffer.of(1) }],
      [
        'words of Kafka Connect',
        { protocolType: 'connect', metadata: Buffer.from('\0\x01\0\x05http:'), assignment: Buffer.from('\0\x01') },
      ],
    ])('is deleted: %s', async (_what, words) => {
      const tenant = await world.made();
      await join(tenant, words);
      await world.harness.backend.deprovision(tenant.request);
      expect(await world.harness.backend.list('test')).not.toContain(tenant.request.objectName);
    });
  });

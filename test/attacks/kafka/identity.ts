// Coming in as somebody else, by another door, or as nobody.
import type { Admin } from '@platformatic/kafka';
import type { KafkaPlace } from '../../../bench/drivers/kafka';
import type { Attack } from '../attack';
import { adminOf, type Outcome, type World } from './world';

export function identityAttacks({ attacker, victim, harness: { server } }: World): Attack[] {
  const refuses = (name: string, place: Partial<KafkaPlace>): Attack => ({
    name,
    run: () => mustNotEnter(() => adminOf({ ...attacker.place, ...place })),
  });
  return [
    refuses('a wrong password', { password: 'wrong' }),
    refuses('the neighbour’s name with one’s own password', { username: victim.place.username }),
    refuses('a version that was never issued', { username: `${attacker.request.objectName}_2` }),
    refuses('the platform’s name', { username: 'leasehold', password: attacker.place.password }),
    refuses('the platform’s listener', { bootstrapServers: `127.0.0.1:${server.ports.platform}` }),
    refuses('the controller’s listener', { bootstrapServers: `127.0.0.1:${server.ports.controller}` }),
    ...(['', 'platform', 'controller'] as const).map(
      (port): Attack => ({
        name: `no login at all, at the ${port || 'tenants’'} listener`,
        run: () =>
          mustNotEnter(() => adminOf({ ...attacker.place, bootstrapServers: `127.0.0.1:${server.ports[port]}` }, { anonymous: true })),
      }),
    ),
  ];
}

async function mustNotEnter(open: () => Admin): Promise<Outcome> {
  const client = open();
  try {
    await client.listTopics();
  } catch {
    return 'refused';
  } finally {
    await client.close().catch(() => {});
  }
  return { breached: 'it was let in' };
}

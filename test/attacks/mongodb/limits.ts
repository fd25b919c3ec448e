// More than the plan gives: bytes, connections, operations.
import type { Attack } from '../attack';
import { RawConnection } from './raw';
import { as, refused, type World } from './world';

const MIB = 1024 * 1024;
const text = (bytes: number) => 'x'.repeat(bytes);

function anyStorage({ tenant }: World): Attack[] {
  return [
    {
      name: 'one connection more than the plan has',
      run: async () => {
        const two = await tenant({ connections: 2 });
        const held = [await RawConnection.open(two.port), await RawConnection.open(two.port), await RawConnection.open(two.port)];
        try {
          const [first, second, third] = held;
          await first?.logIn(two);
          await second?.logIn(two);
          return await refused(async () => {
            await third?.logIn(two);
            await third?.command({ ping: 1, find: 'c', $db: two.database });
          }, /too many connections/);
        } finally {
          for (const connection of held) connection.close();
        }
      },
    },
    {
      name: 'a connection of a user that the tenant has made for it',
      run: async () => {
        const one = await tenant({ connections: 1 });
        return await as(one, async (connection) => {
          await connection.command({ createUser: 'mine', pwd: 'mine', roles: [], $db: one.database });
          const second = await RawConnection.open(one.port);
          try {
            return await refused(() => second.logIn({ user: 'mine', password: 'mine', database: one.database }), /too many connections/);
          } finally {
            second.close();
          }
        });
      },
    },
    {
      name: 'one operation a minute more than the plan has',
      run: async () => {
        const slow = await tenant({ opsPerMinute: 20 });
        return await as(slow, (connection) =>
          refused(async () => {
            // One more comes back every three seconds, in which a busy machine may do few.
            for (let n = 0; n < 100; n += 1) await connection.command({ count: 'c', $db: slow.database });
          }, /too many operations/),
        );
      },
    },
  ];
}

/** Hard in SQLite; in Postgres a matter of the platform's watchdog. */
function inSqlite({ tenant, harness }: World): Attack[] {
  const onDisk = async (objectName: string) => (await harness.host.inspect(objectName)).diskBytes;
  return [
    {
      name: 'more bytes than the plan has',
      run: async () => {
        const small = await tenant({ storageMb: 2 });
        return await as(small, (connection) =>
          refused(async () => {
            for (let n = 0; n < 12; n += 1)
              await connection.command({ insert: 'c', documents: [{ d: text(300_000) }], $db: small.database });
          }, /full/),
        );
      },
    },
    {
      name: 'more bytes in a log that a reader keeps from being emptied',
      run: async () => {
        const small = await tenant({ storageMb: 2 });
        return await as(small, async (reader) => {
          const documents = Array.from({ length: 50 }, (_, _id) => ({ _id, d: text(1_000) }));
          await reader.command({ insert: 'c', documents, $db: small.database });
          await reader.command({ find: 'c', filter: {}, batchSize: 1, $db: small.database });
          return await as(small, async (writer) => {
            const update = (n: number) => ({
              update: 'c',
              updates: [{ q: { _id: 1 }, u: { $set: { d: text(900_000), n } } }],
              $db: small.database,
            });
            for (let n = 0; n < 60; n += 1) if ((await writer.ask(update(n))).ok !== 1) break;
            const bytes = await onDisk(small.request.objectName);
            return bytes < 28 * MIB ? 'refused' : { breached: `${bytes} bytes on disk` };
          });
        });
      },
    },
    {
      name: 'databases without end',
      run: async () => {
        const small = await tenant({ storageMb: 1 });
        const made = await as(small, async (connection) => {
          for (let n = 0; n < 200; n += 1) {
            const answer = await connection.ask({ insert: 'c', documents: [{ n }], $db: `more_${n}` }).catch(() => null);
            if (answer === null || answer.writeErrors || answer.ok !== 1) return n;
          }
          return null;
        });
        if (made === null) return { breached: '200 databases' };
        // What was made is measured, which is what the watchdog goes by.
        const measured = (await harness.backend.measureAll('test')).find(({ objectName }) => objectName === small.request.objectName);
        return (measured?.bytes ?? 0) > MIB ? 'refused' : { breached: `${made} databases were measured as ${measured?.bytes} bytes` };
      },
    },
  ];
}

export function limitAttacks(world: World): Attack[] {
  return [...anyStorage(world), ...(world.storage === 'sqlite' ? inSqlite(world) : [])];
}

// After access has ended: with the connection from before, and with whatever was prepared for afterwards.
import type { Document } from 'mongodb';
import type { Attack } from '../attack';
import { RawConnection } from './raw';
import { as, ask, refused, type Tenant, tenantOf, type World } from './world';

const GONE = /closed|ended by the other party|ECONNRESET|ECONNREFUSED|EPIPE/;
const FAILED = /Authentication failed/;

/** Its connection is logged in and has been used. */
async function heldOpen(tenant: Tenant): Promise<RawConnection> {
  const connection = await RawConnection.open(tenant.port);
  await connection.logIn(tenant);
  await connection.command({ insert: 'c', documents: [{ a: 1 }], $db: tenant.database });
  return connection;
}

const read = (tenant: Tenant): Document => ({ find: 'c', filter: {}, $db: tenant.database });

function ended(world: World, how: string, end: (tenant: Tenant) => Promise<void>, newOne: RegExp): Attack[] {
  return [
    {
      name: `the connection from before it was ${how}`,
      run: async () => {
        const tenant = await world.tenant();
        const connection = await heldOpen(tenant);
        await end(tenant);
        try {
          return await refused(() => connection.command(read(tenant)), GONE);
        } finally {
          connection.close();
        }
      },
    },
    {
      name: `a new connection after it was ${how}`,
      run: async () => {
        const tenant = await world.tenant();
        await end(tenant);
        return await refused(() => as(tenant, (connection) => connection.command(read(tenant))), newOne);
      },
    },
  ];
}

/** Version 2 beside 1, and 1 ended. */
async function rotated({ harness }: World, tenant: Tenant): Promise<Tenant> {
  const request = { ...tenant.request, credentialVersion: 2, retiringVersion: 1 };
  await harness.backend.rotate({ ...request, previousVersion: 1 });
  await harness.backend.retireCredential({ ...request, retireVersion: 1 });
  return tenantOf(harness, tenant.request, 2);
}

/** What a holder of the old credential may leave behind, to come back with. */
const LEFT_BEHIND: Readonly<Record<string, (connection: RawConnection, tenant: Tenant) => Promise<unknown>>> = {
  'a user of its own': (connection, { database }) => connection.command({ createUser: 'back', pwd: 'door', roles: [], $db: database }),
  "the platform's user, with another password": async (connection, { database }) => {
    await connection.command({ createUser: 'back', pwd: 'door', roles: [], $db: database });
    await connection.command({ updateUser: 'leasehold', pwd: 'door', $db: 'admin' });
  },
  'no user but its own': async (connection, { database }) => {
    await connection.command({ createUser: 'back', pwd: 'door', roles: [], $db: database });
    await connection.command({ dropUser: 'leasehold', $db: 'admin' });
  },
  'an index that lets no second user in': async (connection, { database }) => {
    await connection.command({ createUser: 'back', pwd: 'door', roles: [], $db: database });
    await ask(connection, { createIndexes: 'system.users', indexes: [{ name: 'one', key: { roles: 1 }, unique: true }], $db: 'admin' });
  },
  'users that cannot be read': async (connection, { database }) => {
    await connection.command({ createUser: 'back', pwd: 'door', roles: [], $db: database });
    await connection.command({ insert: 'system.users', documents: [{ _id: `${database}.${database}_2` }, { _id: 1 }], $db: 'admin' });
  },
};

function backDoors(world: World): Attack[] {
  return Object.entries(LEFT_BEHIND).map(([what, leave]) => ({
    name: `${what}, left behind before a rotation`,
    run: async () => {
      const tenant = await world.tenant();
      await as(tenant, (connection) => leave(connection, tenant));
      const current = await rotated(world, tenant);
      // The rotation must have worked, or nothing is proved.
      await as(current, (connection) => connection.command(read(current)));
      const back = { ...tenant, user: 'back', password: 'door' };
      return await refused(() => as(back, (connection) => connection.command(read(tenant))), FAILED);
    },
  }));
}

export function lifecycleAttacks(world: World): Attack[] {
  const { backend } = world.harness;
  return [
    ...ended(world, 'suspended', (tenant) => backend.cut(tenant.request), GONE),
    ...ended(
      world,
      'expired, while strangers knock',
      async (tenant) => {
        let done = false;
        const knock = async () => {
          while (!done) await as(tenant, async () => undefined).catch(() => undefined);
        };
        const knocking = [knock(), knock()];
        await backend.cut(tenant.request);
        done = true;
        await Promise.all(knocking);
      },
      GONE,
    ),
    ...ended(world, 'deleted', (tenant) => backend.deprovision(tenant.request), GONE),
    ...ended(world, 'rotated away', async (tenant) => void (await rotated(world, tenant)), FAILED),
    ...ended(
      world,
      'rotated twice, within the grace',
      async (tenant) => {
        await backend.rotate({ ...tenant.request, credentialVersion: 2, previousVersion: 1 });
        await backend.rotate({ ...tenant.request, credentialVersion: 3, previousVersion: 2 });
      },
      FAILED,
    ),
    ...backDoors(world),
    {
      name: 'a write while it is read-only',
      run: async () => {
        const tenant = await world.tenant();
        await backend.setReadOnly({ ...tenant.request, readOnly: true });
        return await as(tenant, (connection) =>
          refused(async () => {
            await ask(connection, { insert: 'c', documents: [{ a: 1 }], readConcern: { level: 'local' }, $db: tenant.database });
            await connection.command({ create: 'planted', $db: tenant.database });
          }, /read-?only/i),
        );
      },
    },
  ];
}

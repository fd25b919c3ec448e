// Staying in: with an old connection held open, or with credentials that ended.
import { jetstream } from '@nats-io/jetstream';
import { type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import type { Attack } from '../attack';
import { isEnded, mustNotLogIn, mustReject, NO, type Outcome, STREAM, type Tenant, tenantOf, type World } from './world';

/** Whoever is cut meets the limit of no connection. */
const NO_ENTRY = new RegExp(`${NO.login.source}|${NO.connection.source}`, 'i');

export function lifecycleAttacks(world: World): Attack[] {
  const { backend } = world.harness;
  const attack = (name: string, run: (tenant: Tenant) => Promise<Outcome>): Attack => ({
    name,
    run: async () => {
      const tenant = await world.made();
      await tenant.streams.add({ name: STREAM, subjects: ['orders.>'], max_bytes: 65_536 });
      await jetstream(tenant.connection).publish('orders.1', 'kept');
      try {
        return await run(tenant);
      } finally {
        await tenant.connection.close().catch(() => {});
        await backend.deprovision(tenant.request);
      }
    },
  });
  const out = async (held: NatsConnection, comeBack: () => Promise<NatsConnection>): Promise<Outcome> => {
    if (!(await isEnded(held))) return { breached: 'the old connection lives' };
    return mustNotLogIn(comeBack(), NO_ENTRY);
  };
  const again =
    (tenant: Tenant, version = 1) =>
    () =>
      world.harness.connect(tenant.request, version);
  const rotated = async (tenant: Tenant) => {
    await backend.rotate({ ...tenant.request, credentialVersion: 2, previousVersion: 1 });
    await backend.retireCredential({ ...tenant.request, credentialVersion: 2, retireVersion: 1 });
  };
  return [
    attack('suspended, with a connection held open', async (tenant) => {
      await backend.cut(tenant.request);
      return out(tenant.connection, again(tenant));
    }),
    attack('suspended, while it connects without pause', (tenant) => hammered(world, tenant, () => backend.cut(tenant.request))),
    attack('rotated and retired, with a connection held open', async (tenant) => {
      await rotated(tenant);
      return out(tenant.connection, again(tenant));
    }),
    attack('rotated and retired, then suspended and resumed', async (tenant) => {
      await rotated(tenant);
      await backend.cut(tenant.request);
      await backend.restore({ ...tenant.request, credentialVersion: 2 });
      return out(tenant.connection, again(tenant));
    }),
    attack('expired: cut, then deleted, with a connection held open', async (tenant) => {
      await backend.cut(tenant.request);
      await backend.deprovision(tenant.request);
      return out(tenant.connection, again(tenant));
    }),
    attack('deleted, with a connection held open', async (tenant) => {
      await backend.deprovision(tenant.request);
      return out(tenant.connection, again(tenant));
    }),
    attack('deleted, after it sealed its stream and denied deletes', async (tenant) => {
      await tenant.streams.add({ name: 'denies', subjects: ['denies'], max_bytes: 65_536, deny_delete: true, deny_purge: true });
      const sealed: Record<string, unknown> = { sealed: true };
      await tenant.streams.update(STREAM, sealed);
      await backend.deprovision(tenant.request);
      const [left] = await world.harness.filesOf(tenant.accountId);
      return left === undefined ? 'refused' : { breached: `left on disk: ${left}` };
    }),
    attack('deleted, while it makes streams without pause', (tenant) => leavesNothing(world, tenant)),
    attack('deleted and made again under the same name: the old messages', async (tenant) => {
      await backend.deprovision(tenant.request);
      await backend.provision(tenant.request);
      const reborn = await tenantOf(world.harness, tenant.request);
      const names: string[] = [];
      for await (const name of reborn.streams.names()) names.push(name);
      await reborn.connection.close();
      return names.length === 0 ? 'refused' : { breached: `stream ${names[0]} came back` };
    }),
    attack('read-only: a message into a stream', async (tenant) => {
      await backend.setReadOnly({ ...tenant.request, readOnly: true });
      const reader = await tenantOf(world.harness, tenant.request);
      const refused = await mustReject(
        jetstream(reader.connection).publish('orders.2', 'more', { timeout: 20_000 }),
        NO.permission,
        'it was taken',
      );
      const kept = await reader.streams.getMessage(STREAM, { seq: 1 });
      await reader.connection.close();
      return kept?.string() === 'kept' ? refused : { breached: 'what was there cannot be read' };
    }),
    attack('read-only: a connection opened before', async (tenant) => {
      await backend.setReadOnly({ ...tenant.request, readOnly: true });
      const late = jetstream(tenant.connection).publish('orders.2', 'more', { timeout: 20_000 });
      return mustReject(late, NO.closed, 'it was taken');
    }),
  ];
}

/** New connections as fast as they come, while the access is taken away: none may be alive afterwards. */
async function hammered(world: World, tenant: Tenant, takeAway: () => Promise<void>): Promise<Outcome> {
  let over = false;
  const opened: NatsConnection[] = [];
  const knock = async () => {
    while (!over)
      await world.harness.connect(tenant.request).then(
        (connection) => opened.push(connection),
        () => {},
      );
  };
  const knocking = [knock(), knock()];
  await new Promise((resolve) => setTimeout(resolve, 100));
  await takeAway();
  over = true;
  await Promise.all(knocking);
  for (const connection of opened) if (!(await isEnded(connection))) return { breached: 'a connection came through' };
  return 'refused';
}

async function leavesNothing({ harness }: World, tenant: Tenant): Promise<Outcome> {
  let over = false;
  const making = (async () => {
    for (let index = 0; !over && !tenant.connection.isClosed(); index += 1)
      await tenant.streams.add({ name: `n${index % 5}`, subjects: [`n${index % 5}`], max_bytes: 1024 }).catch((error: unknown) => {
        if (error instanceof PermissionViolationError) over = true;
      });
  })();
  await harness.backend.deprovision(tenant.request);
  over = true;
  await making;
  const left = await harness.filesOf(tenant.accountId);
  return left.length === 0 ? 'refused' : { breached: `left on disk: ${left[0]}` };
}

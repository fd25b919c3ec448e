// Two tenants, each with a process of its own on one host, and what an attack says of its outcome.
import type { Document } from 'mongodb';
import type { ProvisionRequest } from '../../../activities/backend';
import type { ResourceLimits } from '../../../shared/resourcetype';
import { type MongodbHarness, startMongodbHarness } from '../../contract/mongodb-harness';
import { tenantsAdminUrl } from '../../harness/servers';
import type { Attack } from '../attack';
import { RawConnection } from './raw';

export type Storage = 'sqlite' | 'postgres';

export interface Tenant {
  request: ProvisionRequest;
  database: string;
  user: string;
  password: string;
  port: number;
}

export interface World {
  harness: MongodbHarness;
  storage: Storage;
  attacker: Tenant;
  victim: Tenant;
  /** One more, with limits of its own. */
  tenant(limits?: ResourceLimits): Promise<Tenant>;
}

export type Run = Attack['run'];
export const SECRET = 'what only the victim may read';

const LIMITS: Readonly<Record<Storage, ResourceLimits>> = {
  sqlite: { storageMb: 2, connections: 8 },
  postgres: { storageMb: 100, connections: 8 },
};

export async function openWorld(storage: Storage): Promise<World> {
  const harness = await startMongodbHarness({ limits: LIMITS[storage], postgresAdminUrl: tenantsAdminUrl() });
  const tenant: World['tenant'] = async (limits = {}) => {
    const request = harness.request({ ...LIMITS[storage], ...limits });
    await harness.backend.provision(request);
    return tenantOf(harness, request);
  };
  const [attacker, victim] = [await tenant(), await tenant()];
  await as(victim, async (connection) => {
    await connection.command({ insert: 'secrets', documents: [{ _id: 1, secret: SECRET }], $db: victim.database });
  });
  return { harness, storage, attacker, victim, tenant };
}

export async function closeWorld({ harness }: World): Promise<void> {
  for (const objectName of await harness.backend.list('test')) await harness.backend.destroyOrphan({ backendName: 'test', objectName });
  await harness.close();
}

export function tenantOf(harness: MongodbHarness, request: ProvisionRequest, version = 1): Tenant {
  const { username, password } = harness.credentialOf(request, version);
  const port = Number(harness.detailsOf(request.resourceId)?.port);
  return { request, database: request.objectName, user: username, password, port };
}

export async function as<T>(login: Omit<Tenant, 'request'>, run: (connection: RawConnection) => Promise<T>): Promise<T> {
  const connection = await RawConnection.open(login.port);
  try {
    await connection.logIn(login);
    return await run(connection);
  } finally {
    connection.close();
  }
}

export async function stranger<T>(port: number, run: (connection: RawConnection) => Promise<T>): Promise<T> {
  const connection = await RawConnection.open(port);
  try {
    return await run(connection);
  } finally {
    connection.close();
  }
}

/** Refused for this reason; for another one the attack has proved nothing. */
export async function refused(attempt: () => Promise<unknown>, because: RegExp): Promise<'refused' | { breached: string }> {
  let answer: unknown;
  try {
    answer = await attempt();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (because.test(message)) return 'refused';
    throw error;
  }
  return { breached: `answered ${JSON.stringify(answer)?.slice(0, 200)}` };
}

/** Whatever the answer is: a successful one too, so long as it holds none of these. */
export function tellsNothing(answers: unknown, secrets: readonly string[]): 'refused' | { breached: string } {
  const text = JSON.stringify(answers);
  const told = secrets.find((secret) => text.includes(secret));
  return told === undefined ? 'refused' : { breached: `told ${told.slice(0, 40)}` };
}

export async function ask(connection: RawConnection, command: Document): Promise<Document> {
  return await connection.ask(command).catch((error: unknown) => ({ error: String(error) }));
}

/** Still the same process, and it still answers its own tenant. */
export async function unharmed(world: World, tenant: Tenant, pidBefore: number | null): Promise<'refused' | { breached: string }> {
  const { pid } = await world.harness.host.inspect(tenant.request.objectName);
  if (pid !== pidBefore) return { breached: 'the process was brought down' };
  await as(tenant, (connection) => connection.command({ find: 'secrets', filter: {}, $db: tenant.database }));
  return 'refused';
}

export async function pidOf({ harness }: World, tenant: Tenant): Promise<number | null> {
  return (await harness.host.inspect(tenant.request.objectName)).pid;
}

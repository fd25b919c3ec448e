// RabbitMQ: a vhost for each resource, a user in it for each credential version.
import {
  type CallSignal,
  limitsOfVhost,
  parseRabbitmqAdminUrl,
  type QueueCredentialProvider,
  type QueueTenant,
  type RabbitmqVhostState,
} from '../../../shared/queueprovider';
import type { KindLogger } from '../../backend';
import { ProviderMisconfigured } from '../../errors';
import { loginName, objectNameOf } from '../../names';
import { RabbitmqManagement } from './management';
import { probeServer } from './probe';
import { removeTenant } from './removal';
import { RabbitmqTenant } from './tenant';

export interface RabbitmqProviderOptions {
  /** `amqp://<administrator>:<password>@host:5672?management=http://host:15672`; see docs/kinds/queue-rabbitmq.md. */
  adminUrlOf: (backendName: string) => string;
  logger: KindLogger;
}

export function createRabbitmqProvider({ adminUrlOf, logger }: RabbitmqProviderOptions): QueueCredentialProvider {
  const servers = new Map<string, { url: string; management: RabbitmqManagement; isProbed: boolean }>();

  const serverOf = (backendName: string) => {
    const url = adminUrlOf(backendName);
    const known = servers.get(backendName);
    if (known?.url === url) return known;
    const server = { url, management: new RabbitmqManagement(parsedAdmin(backendName, url)), isProbed: false };
    servers.set(backendName, server);
    return server;
  };
  const tenantOf = ({ backendName, objectName }: QueueTenant, call?: CallSignal) =>
    new RabbitmqTenant(serverOf(backendName).management, objectName, call?.signal);

  /** Reads what is there, lets `next` decide, and brings limits and rights of all users to it. */
  const change = async (
    given: QueueTenant,
    call: CallSignal | undefined,
    next: (state: RabbitmqVhostState) => RabbitmqVhostState,
    andThen: (tenant: RabbitmqTenant, users: string[]) => Promise<void> = async () => {},
  ): Promise<void> => {
    const tenant = tenantOf(given, call);
    const state = await tenant.present();
    const users = await tenant.users();
    await tenant.settle(next(state), users);
    await andThen(tenant, users);
  };

  return {
    engine: 'rabbitmq',
    authMode: 'isolated',
    // What waits in queues the server itself keeps to the storage; what was handed to a consumer and not acknowledged it does not count.
    capabilities: { cut: 'server', storage: 'watchdog', connections: 'server', readOnly: 'server' },

    async prepareServer(backendName) {
      const server = serverOf(backendName);
      if (server.isProbed) await server.management.overview();
      else await probeServer(backendName, server.management, logger);
      server.isProbed = true;
    },
    serverVersion: async (backendName) => (await serverOf(backendName).management.overview()).rabbitmq_version,

    detailsOf: ({ objectName }) => ({ vhost: objectName, subject_prefix: '' }),
    mintSecrets: async () => ({}),

    async issueCredential({ credential, limits, ...given }, call) {
      const tenant = tenantOf(given, call);
      const [found, users] = await Promise.all([tenant.state(), tenant.users()]);
      tenant.assertNewest(found, users, credential.version);
      const state = { ...(found ?? (await tenant.makeAnew(limits))), ...limitsOfVhost(limits), isCut: false };
      const own = loginName(given.objectName, credential.version);
      await tenant.endUsers(users.filter((user) => user !== own));
      await tenant.settle(state, []);
      await tenant.putCredential(credential, state);
      await tenant.note({ ...state, newestVersion: Math.max(state.newestVersion, credential.version), isComplete: true });
    },
    async rotateCredential({ credential, limits, previousVersion, ...given }, call) {
      const tenant = tenantOf(given, call);
      const found = await tenant.present();
      const users = await tenant.users();
      tenant.assertNewest(found, users, credential.version);
      const kept = [credential.version, previousVersion].map((version) => version !== null && loginName(given.objectName, version));
      const state = { ...found, ...limitsOfVhost(limits) };
      await tenant.settle(
        state,
        users.filter((user) => kept.includes(user)),
      );
      await tenant.putCredential(credential, state);
      await tenant.note({ ...state, newestVersion: Math.max(state.newestVersion, credential.version) });
      await tenant.endUsers(users.filter((user) => !kept.includes(user)));
    },
    async revokeCredential({ version, ...given }, call) {
      const tenant = tenantOf(given, call);
      await tenant.present();
      const ended = loginName(given.objectName, version);
      await tenant.endUsers((await tenant.users()).filter((user) => user === ended));
    },

    async cut(given, call) {
      const tenant = tenantOf(given, call);
      const state = await tenant.state();
      if (state === null) return;
      const users = await tenant.users();
      await tenant.shut({ ...state, isCut: true });
      await tenant.closeAll(users);
    },
    restore: (given, call) => change(given, call, (state) => ({ ...state, isCut: false })),
    applyLimits: ({ limits, ...given }, call) => change(given, call, (state) => ({ ...state, ...limitsOfVhost(limits) })),
    setReadOnly: ({ readOnly, limits, ...given }, call) =>
      change(
        given,
        call,
        (state) => ({ ...state, ...limitsOfVhost(limits), isReadOnly: readOnly }),
        // A channel remembers for a minute what it was allowed.
        async (tenant, users) => (readOnly ? tenant.closeAll(users, { letsNewOnesBe: true }) : undefined),
      ),

    remove: ({ backendName, objectName }, call) => removeTenant(serverOf(backendName).management, objectName, call),

    async list(backendName, prefix) {
      const { management } = serverOf(backendName);
      const [vhosts, users] = await Promise.all([management.vhostNames(), management.userNames()]);
      const owners = users.flatMap((user) => objectNameOf(user) ?? []);
      return [...new Set([...vhosts, ...owners])].filter((name) => name.startsWith(prefix));
    },
    async measure(backendName, prefix) {
      const { management } = serverOf(backendName);
      const names = (await management.vhostNames()).filter((name) => name.startsWith(prefix));
      const bytesOf = new Map<string, number>();
      for (const { vhost, message_bytes: bytes } of await management.queues()) bytesOf.set(vhost, (bytesOf.get(vhost) ?? 0) + bytes);
      return names.map((objectName) => ({ objectName, bytes: bytesOf.get(objectName) ?? 0 }));
    },
    // Nothing is held open.
    close: async () => servers.clear(),
  };
}

function parsedAdmin(backendName: string, url: string) {
  try {
    return parseRabbitmqAdminUrl(url);
  } catch (error) {
    throw new ProviderMisconfigured(`${backendName}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

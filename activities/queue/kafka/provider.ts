// Kafka: for each credential version a SCRAM user of its own, with rights to what begins with the tenant's prefix and to nothing else.
import type { CallSignal, QueueCredentialProvider, QueueTenant } from '../../../shared/queueprovider';
import { formatKafkaBrokers } from '../../../shared/queueprovider';
import type { KindLogger } from '../../backend';
import { Fenced, ObjectMissing } from '../../errors';
import type { KafkaTenantState } from './acls';
import { type KafkaCluster, KafkaClusters } from './cluster';
import { bytesOfTenants } from './measure';
import { ownerOf, prefixOf } from './names';
import { probeCluster, releaseOfCluster } from './probe';
import { removeLeftProbeUsers } from './probe-users';
import { removeTenant, whatIsThere } from './removal';
import { KafkaTenant } from './tenant';

export interface KafkaProviderOptions {
  /** `kafka://user:password@host:9092?mechanism=...&tls=...`; see docs/kinds/queue-kafka.md. */
  adminUrlOf: (backendName: string) => string;
  logger: KindLogger;
}

export function createKafkaProvider({ adminUrlOf, logger }: KafkaProviderOptions): QueueCredentialProvider {
  const clusters = new KafkaClusters(adminUrlOf);
  const prepared = new WeakSet<KafkaCluster>();
  const tenantOf = ({ backendName, objectName }: QueueTenant, call?: CallSignal) =>
    new KafkaTenant(clusters.of(backendName), objectName, call?.signal);
  const found = async (asked: QueueTenant, call?: CallSignal): Promise<{ tenant: KafkaTenant; state: KafkaTenantState }> => {
    const tenant = tenantOf(asked, call);
    const state = await tenant.state();
    if (state === null) throw new ObjectMissing(`${asked.objectName} is not on ${asked.backendName}`);
    return { tenant, state };
  };

  return {
    engine: 'kafka',
    authMode: 'isolated',
    capabilities: { cut: 'server', storage: 'watchdog', connections: 'none', readOnly: 'server' },

    async prepareServer(backendName) {
      const cluster = clusters.of(backendName);
      if (prepared.has(cluster)) {
        await releaseOfCluster(backendName, cluster);
        await removeLeftProbeUsers(cluster);
        return;
      }
      await probeCluster(backendName, cluster, logger);
      prepared.add(cluster);
    },
    serverVersion: (backendName) => releaseOfCluster(backendName, clusters.of(backendName)),

    detailsOf({ backendName, objectName }) {
      const { tenantBrokers, tls } = clusters.adminOf(backendName);
      return {
        subject_prefix: prefixOf(objectName),
        // Elsewhere the answer has the backend's own address.
        ...(tenantBrokers.length > 0 ? { bootstrap_servers: formatKafkaBrokers(tenantBrokers) } : {}),
        security_protocol: tls ? 'SASL_SSL' : 'SASL_PLAINTEXT',
      };
    },
    mintSecrets: async () => ({}),

    async issueCredential({ credential, ...asked }, call) {
      const tenant = tenantOf(asked, call);
      const state = await tenant.state();
      assertNewest(state, asked.objectName, credential.version);
      await tenant.grant(credential);
      await tenant.revoke(others(state, [credential.version]));
      await tenant.setCut(false);
    },
    async rotateCredential({ credential, previousVersion, ...asked }, call) {
      const { tenant, state } = await found(asked, call);
      assertNewest(state, asked.objectName, credential.version);
      await tenant.grant(credential);
      await tenant.revoke(others(state, [credential.version, previousVersion]));
    },
    async revokeCredential({ version, ...asked }, call) {
      const { tenant } = await found(asked, call);
      await tenant.revoke([version]);
    },

    async cut(asked, call) {
      const tenant = tenantOf(asked, call);
      if ((await tenant.state()) !== null) await tenant.setCut(true);
    },
    restore: async (asked, call) => (await found(asked, call)).tenant.setCut(false),
    async applyLimits(asked, call) {
      const { tenant, state } = await found(asked, call);
      await tenant.limit(state.versions);
    },
    async setReadOnly({ readOnly, ...asked }, call) {
      const { tenant, state } = await found(asked, call);
      await tenant.limit(state.versions);
      await tenant.setReadOnly(readOnly);
    },

    remove: async ({ backendName, objectName }, call) => removeTenant(clusters.of(backendName), objectName, call),
    list: async (backendName, prefix) => namesOf(clusters.of(backendName), prefix),
    async measure(backendName, prefix) {
      const cluster = clusters.of(backendName);
      const [names, bytes] = await Promise.all([namesOf(cluster, prefix), bytesOfTenants(cluster)]);
      return names.map((objectName) => ({ objectName, bytes: bytes.get(objectName) ?? 0 }));
    },
    close: () => clusters.close(),
  };
}

function others(state: KafkaTenantState | null, kept: readonly (number | null)[]): number[] {
  return (state?.versions ?? []).filter((version) => !kept.includes(version));
}

/** By whatever is left of a tenant: a user, a right, a topic, a group. */
async function namesOf(cluster: KafkaCluster, prefix: string): Promise<string[]> {
  const left = await whatIsThere(cluster, (owner) => owner.startsWith(prefix));
  return [...new Set(Object.values(left).flatMap((names: string[]) => names.flatMap((name) => ownerOf(name) ?? [])))];
}

function assertNewest(state: KafkaTenantState | null, objectName: string, version: number): void {
  const newest = Math.max(0, ...(state?.versions ?? []));
  if (newest > version) throw new Fenced(`${objectName} has a newer credential than version ${version}`);
}

// One tenant on a cluster: its users, its rights and its quotas, changed one by one and looked at until every broker knows.
import { setTimeout as sleep } from 'node:timers/promises';
import { type AclFilter, alterUserScramCredentialsV0, describeAclsV3, ScramMechanisms } from '@platformatic/kafka';
import type { QueueCredential } from '../../../shared/queueprovider';
import { ProviderUnavailable } from '../../errors';
import { cutMarks, flatAcls, grantsOf, type KafkaTenantState, missingAcls, readOnlyMarks, tenantState } from './acls';
import { isAnswer, type KafkaCluster } from './cluster';
import { loginOf, prefixOf } from './names';
import { type Acl, AclOperations, AclPermissionTypes, ResourcePatternTypes, ResourceTypes } from './protocol';
import { quotaEntry } from './quotas';
import { scramUpsertion } from './scram';

const SETTLED_WITHIN_MS = 10_000;
const LOOK_MS = 10;

export class KafkaTenant {
  constructor(
    private readonly cluster: KafkaCluster,
    readonly objectName: string,
    private readonly signal?: AbortSignal,
  ) {}

  async state(): Promise<KafkaTenantState | null> {
    const views = await this.#views();
    return tenantState(this.objectName, views.flat());
  }

  /** The user first and its rights last: once every broker knows these it knows that. */
  async grant(credential: QueueCredential): Promise<void> {
    const user = loginOf(this.objectName, credential.version);
    const upsertion = await scramUpsertion(user, credential.password);
    this.signal?.throwIfAborted();
    await this.cluster.anyBroker((connection) => alterUserScramCredentialsV0.api.async(connection, [], [upsertion]));
    this.signal?.throwIfAborted();
    await this.limit([credential.version]);
    await this.#add(grantsOf(this.objectName, credential.version));
  }

  async limit(versions: readonly number[]): Promise<void> {
    if (versions.length === 0) return;
    const entries = versions.map((version) => quotaEntry(loginOf(this.objectName, version), { remove: false }));
    await this.cluster.ask((client) => client.alterClientQuotas({ entries }));
  }

  /** The rights first: they are asked at every request, a password only when a connection begins. */
  async revoke(versions: readonly number[]): Promise<void> {
    for (const version of versions) {
      const user = loginOf(this.objectName, version);
      await this.#take({ ...this.#filter(), principal: `User:${user}` }, ({ principal }) => principal === `User:${user}`);
      await deleteUsers(this.cluster, [user]);
    }
  }

  async setCut(isCut: boolean): Promise<void> {
    await this.#mark(cutMarks(this.objectName), isCut);
  }

  async setReadOnly(isReadOnly: boolean): Promise<void> {
    await this.#mark(readOnlyMarks(this.objectName), isReadOnly);
  }

  /** No right is left: whatever is open can do nothing more. */
  async takeAllRights(): Promise<void> {
    const allowed = { ...this.#filter(), permissionType: AclPermissionTypes.ALLOW };
    await this.#take(allowed, ({ permissionType }) => permissionType === AclPermissionTypes.ALLOW);
  }

  async forgetMarks(): Promise<void> {
    await this.#take(this.#filter(), () => true);
  }

  async #mark(marks: Acl[], wanted: boolean): Promise<void> {
    if (wanted) return this.#add(marks);
    const filters = marks.map((mark): AclFilter => ({ ...mark }));
    const present = (await this.#views()).some((view) => missingAcls(marks, view).length < marks.length);
    if (!present) return;
    this.signal?.throwIfAborted();
    await this.cluster.ask((client) => client.deleteAcls({ filters }));
    await this.#settled((view) => missingAcls(marks, view).length === marks.length);
  }

  async #add(acls: Acl[]): Promise<void> {
    const views = await this.#views();
    const missing = acls.filter((acl) => views.some((view) => missingAcls([acl], view).length > 0));
    if (missing.length === 0) return;
    this.signal?.throwIfAborted();
    await this.cluster.ask((client) => client.createAcls({ creations: missing }));
    await this.#settled((view) => missingAcls(acls, view).length === 0);
  }

  async #take(filter: AclFilter, isTaken: (acl: Acl) => boolean): Promise<void> {
    if (!(await this.#views()).some((view) => view.some(isTaken))) return;
    this.signal?.throwIfAborted();
    await this.cluster.ask((client) => client.deleteAcls({ filters: [filter] }));
    await this.#settled((view) => !view.some(isTaken));
  }

  /** Every broker's own view: it decides by it, and hears of a change a little after the answer. */
  #views(): Promise<Acl[][]> {
    return this.cluster.everyBroker(async (connection) => {
      const { resources } = await describeAclsV3.api.async(connection, this.#filter());
      return flatAcls(resources);
    });
  }

  async #settled(isThere: (view: readonly Acl[]) => boolean): Promise<void> {
    for (const deadline = Date.now() + SETTLED_WITHIN_MS; ; ) {
      this.signal?.throwIfAborted();
      if ((await this.#views()).every(isThere)) return;
      if (Date.now() > deadline) throw new ProviderUnavailable(`not every broker knows the rights of ${this.objectName} yet`);
      await sleep(LOOK_MS);
    }
  }

  #filter(): AclFilter {
    return {
      resourceType: ResourceTypes.ANY,
      resourceName: prefixOf(this.objectName),
      resourcePatternType: ResourcePatternTypes.PREFIXED,
      principal: null,
      host: null,
      operation: AclOperations.ANY,
      permissionType: AclPermissionTypes.ANY,
    };
  }
}

/** With their quotas. Those that are not there are no error. */
export async function deleteUsers(cluster: KafkaCluster, users: readonly string[]): Promise<void> {
  if (users.length === 0) return;
  const mechanism = ScramMechanisms.SCRAM_SHA_512;
  for (const name of users)
    await cluster.anyBroker(async (connection) => {
      try {
        await alterUserScramCredentialsV0.api.async(connection, [{ name, mechanism }], []);
      } catch (error) {
        if (!isAnswer(error, 'RESOURCE_NOT_FOUND')) throw error;
      }
    });
  await cluster.ask((client) => client.alterClientQuotas({ entries: users.map((user) => quotaEntry(user, { remove: true })) }));
}

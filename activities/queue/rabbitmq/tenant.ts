// One tenant on one server: its vhost, its users, and what they are allowed.
import {
  newRabbitmqVhost,
  type QueueCredential,
  type QueueLimits,
  queueShare,
  type RabbitmqVhostState,
  rabbitmqVhostTags,
  readRabbitmqVhostTags,
} from '../../../shared/queueprovider';
import { Fenced, ObjectMissing } from '../../errors';
import { loginName, loginVersion } from '../../names';
import { type Closing, closeConnections } from './closing';
import type { RabbitmqManagement } from './management';

const POLICY = 'leasehold';
const CHANNELS_PER_CONNECTION = 10;
const ALL = { configure: '.*', write: '.*', read: '.*' };
/** Purging needs the right to read, deleting a queue the one to configure: room can be made. */
const READ_ONLY = { ...ALL, write: '' };

export class RabbitmqTenant {
  readonly #management: RabbitmqManagement;
  readonly #objectName: string;
  readonly #signal: AbortSignal | undefined;

  constructor(management: RabbitmqManagement, objectName: string, signal?: AbortSignal) {
    this.#management = management;
    this.#objectName = objectName;
    this.#signal = signal;
  }

  /** Null: not there, or never finished. */
  async state(): Promise<RabbitmqVhostState | null> {
    const vhost = await this.#management.vhost(this.#objectName, this.#signal);
    const state = vhost === null ? null : readRabbitmqVhostTags(vhost.tags);
    return state?.isComplete ? state : null;
  }

  /** @throws ObjectMissing */
  async present(): Promise<RabbitmqVhostState> {
    const state = await this.state();
    if (state === null) throw new ObjectMissing(`${this.#objectName} is not there`);
    return state;
  }

  async users(): Promise<string[]> {
    const all = await this.#management.userNames(this.#signal);
    return all.filter((user) => loginVersion(user, this.#objectName) !== null);
  }

  assertNewest(state: RabbitmqVhostState | null, users: readonly string[], version: number): void {
    const isKnown = users.includes(loginName(this.#objectName, version));
    if (state === null || state.newestVersion < version || (isKnown && state.newestVersion === version)) return;
    throw new Fenced(`${this.#objectName} has a newer credential than version ${version}`);
  }

  /** Empty, with its limits, and not yet for anybody. Whatever a killed call left of it goes first: half a vhost stays half. */
  async makeAnew(limits: QueueLimits): Promise<RabbitmqVhostState> {
    await this.#management.deleteVhost(this.#objectName, this.#signal);
    const state = newRabbitmqVhost(limits);
    await this.#management.putVhost(this.#objectName, rabbitmqVhostTags(state), this.#signal);
    return state;
  }

  /** The state first, so that a call that dies here is completed by whatever comes next. */
  async settle(state: RabbitmqVhostState, users: readonly string[]): Promise<void> {
    await this.note(state);
    await Promise.all([this.#limit(state), ...users.map((user) => this.#allow(user, state))]);
  }

  /** No connection more; what else the limits say is of no matter until they are settled again. */
  async shut(state: RabbitmqVhostState): Promise<void> {
    await this.note(state);
    await this.#limitCounts(state);
  }

  async note(state: RabbitmqVhostState): Promise<void> {
    await this.#management.putVhost(this.#objectName, rabbitmqVhostTags(state), this.#signal);
  }

  async putCredential(credential: QueueCredential, state: RabbitmqVhostState): Promise<void> {
    const user = loginName(this.#objectName, credential.version);
    // Before it can log in anywhere it has to have its limit.
    if (!(await this.users()).includes(user)) await this.#management.disableUser(user, this.#signal);
    await this.#allow(user, state);
    await this.#management.putUser(user, credential.password, this.#signal);
  }

  /** Out at once, and for good. */
  async endUsers(users: readonly string[]): Promise<void> {
    if (users.length === 0) return;
    await Promise.all(users.map((user) => this.#management.disableUser(user, this.#signal)));
    await closeConnections(this.#management, users, { signal: this.#signal });
    await Promise.all(users.map((user) => this.#management.deleteUser(user, this.#signal)));
  }

  async closeAll(users: readonly string[], how: Omit<Closing, 'signal'> = {}): Promise<void> {
    await closeConnections(this.#management, users, { ...how, signal: this.#signal });
  }

  async #limitCounts(state: RabbitmqVhostState): Promise<void> {
    const maxConnections = state.isCut ? 0 : state.connections;
    await this.#management.putVhostLimits(this.#objectName, { maxConnections, maxQueues: state.queues }, this.#signal);
  }

  async #limit(state: RabbitmqVhostState): Promise<void> {
    await this.#limitCounts(state);
    // What a queue says of itself wins over this one, and comes to no more bytes; bodies are kept on disk.
    await this.#management.putPolicy(this.#objectName, POLICY, { overflow: 'reject-publish', 'queue-mode': 'lazy' }, this.#signal);
    const share = queueShare(state);
    if (share === null) return this.#management.deleteOperatorPolicy(this.#objectName, POLICY, this.#signal);
    const kept = await this.#keptByDroppingQueues();
    await this.#management.putOperatorPolicy(
      this.#objectName,
      POLICY,
      { 'max-length-bytes': Math.max(share.maxLengthBytes, kept.bytes), 'max-length': Math.max(share.maxLength, kept.messages) },
      this.#signal,
    );
  }

  /** A queue that was declared to drop its oldest would drop them at a smaller limit; all others let nothing more in. */
  async #keptByDroppingQueues(): Promise<{ bytes: number; messages: number }> {
    const queues = await this.#management.queues(this.#objectName, this.#signal);
    const dropping = queues.filter(({ arguments: given }) => given['x-overflow'] === 'drop-head');
    return {
      bytes: Math.max(0, ...dropping.map(({ message_bytes: bytes }) => bytes)),
      messages: Math.max(0, ...dropping.map(({ messages }) => messages)),
    };
  }

  async #allow(user: string, state: RabbitmqVhostState): Promise<void> {
    const channels = state.connections < 0 ? -1 : state.connections * CHANNELS_PER_CONNECTION;
    await this.#management.putMaxChannels(user, channels, this.#signal);
    await this.#management.putPermissions(this.#objectName, user, state.isReadOnly ? READ_ONLY : ALL, this.#signal);
  }
}

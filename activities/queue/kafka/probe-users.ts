// The throw-away users of the start-up probe: a worker that is killed then cannot take its own away, the next look at the cluster does.
import { randomBytes } from 'node:crypto';
import { type KafkaCluster, scramUsers } from './cluster';
import { deleteUsers } from './tenant';

const PROBE_USER = /^leasehold-probe-(\d{13})-[0-9a-f]{12}$/;
/** Much longer than a probe takes; for the clocks of workers, too, which differ. */
const LEFT_AFTER_MS = 5 * 60_000;

/** No tenant's, and not the platform's. When it was made stands in it. */
export function newProbeUser(now = Date.now()): string {
  return `leasehold-probe-${String(now).padStart(13, '0')}-${randomBytes(6).toString('hex')}`;
}

/** Of a worker that is gone: those that are younger may be in use just now. */
export function isLeftProbeUser(user: string, now = Date.now()): boolean {
  const madeAt = PROBE_USER.exec(user)?.[1];
  return madeAt !== undefined && now - Number(madeAt) > LEFT_AFTER_MS;
}

export async function removeLeftProbeUsers(cluster: KafkaCluster): Promise<void> {
  const left = (await scramUsers(cluster)).filter((user) => isLeftProbeUser(user));
  await deleteUsers(cluster, left);
}

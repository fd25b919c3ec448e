// Until nothing of a tenant is left: neither vhost nor user.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallSignal } from '../../../shared/queueprovider';
import { ProviderUnavailable } from '../../errors';
import type { RabbitmqManagement } from './management';
import { RabbitmqTenant } from './tenant';

const LOOK_MS = 40;
const MAX_LOOKS = 50;

/**
 * Absent is what was absent at two looks: what a worker had sent before it was killed has been done by the second. The server removes the
 * vhost's folder before it answers; one whose deletion was broken off it removes by itself within seconds.
 */
export async function removeTenant(management: RabbitmqManagement, objectName: string, { signal }: CallSignal = {}): Promise<void> {
  const tenant = new RabbitmqTenant(management, objectName, signal);
  let absentLooks = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const [vhost, users] = await Promise.all([management.vhost(objectName, signal), tenant.users()]);
    await tenant.endUsers(users);
    if (vhost !== null) await management.deleteVhost(objectName, signal);
    absentLooks = vhost === null && users.length === 0 ? absentLooks + 1 : 0;
    if (absentLooks === 2) return;
    await sleep(LOOK_MS, undefined, { signal });
  }
  throw new ProviderUnavailable(`${objectName} does not go`);
}

// What one tenant of an object store tries against another, against the server, and with what is over; in each isolated mode.
import { canHaveSeaweedfs, startSeaweedfs } from '../../harness/seaweedfs';
import { iamAttacks } from './identity';
import { attacksOnStore } from './onstore';
import { portAttacks } from './ports';

export const storageAttacks = attacksOnStore({
  kind: 'storage',
  skipped: () => (canHaveSeaweedfs() ? null : 'no server: neither weed nor python3 is on PATH'),
  start: () => startSeaweedfs(),
  own: iamAttacks,
  ofServer: portAttacks,
});

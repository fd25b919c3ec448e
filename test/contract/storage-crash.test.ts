import { canHaveSeaweedfs, startSeaweedfs } from '../harness/seaweedfs';
import { describeStorageCrash } from './storage-crash.contract';

describeStorageCrash('seaweedfs', canHaveSeaweedfs() ? () => startSeaweedfs() : null, [
  'dedicated-bucket',
  'prefix-scoped',
  'prefix-scoped-temporary',
  'shared-master-key',
]);

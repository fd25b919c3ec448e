import { canHaveSeaweedfs, startSeaweedfs } from '../harness/seaweedfs';
import { describeStorageDeletion } from './storage-deletion.contract';

describeStorageDeletion('seaweedfs', canHaveSeaweedfs() ? () => startSeaweedfs() : null);

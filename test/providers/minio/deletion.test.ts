import { describeStorageDeletion } from '../../contract/storage-deletion.contract';
import { hasMinio, startMinio } from '../../harness/minio';

describeStorageDeletion('minio', hasMinio() ? () => startMinio() : null);

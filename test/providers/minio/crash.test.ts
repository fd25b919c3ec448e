import { describeStorageCrash } from '../../contract/storage-crash.contract';
import { hasMinio, startMinio } from '../../harness/minio';

describeStorageCrash('minio', hasMinio() ? () => startMinio() : null, ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary']);

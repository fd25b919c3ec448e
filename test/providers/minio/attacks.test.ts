import { minioAttacks } from '../../attacks/minio/attacks';
import { describeAttacks } from '../../attacks/suite';
import { hasMinio } from '../../harness/minio';

describeAttacks(minioAttacks, { atLeast: 200, needs: hasMinio() });

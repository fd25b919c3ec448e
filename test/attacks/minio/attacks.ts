// The attacks on storage, over MinIO.
import { hasMinio, startMinio } from '../../harness/minio';
import { attacksOnStore } from '../storage/onstore';
import { adminAttacks, serverAttacks } from './admin';

export const minioAttacks = attacksOnStore({
  kind: 'minio',
  skipped: () => (hasMinio() ? null : 'no server: `npm run stack -- fetch minio` builds one'),
  start: () => startMinio(),
  own: adminAttacks,
  ofServer: serverAttacks,
});

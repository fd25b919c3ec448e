// Vector for a process: Postgres' assembly over the room that adds the extension.
import { createVectorBackend, type VectorBackend } from '../../../activities/vector';
import { withIsolationProbe } from './postgres';
import { adminUrlOf, type CreateKind } from './types';

export const createVectorKind: CreateKind<VectorBackend> = (parts) => {
  const backend = createVectorBackend({
    ...parts.dependencies,
    adminUrlOf: (backendName) => adminUrlOf(parts, backendName),
  });
  return withIsolationProbe(parts, backend);
};

// What the sealed columns of a resource belong to: the associated data that they were encrypted with, and open with alone.

/** Binds a ciphertext to its place: a row's secret cannot be read as another's, nor one sort as the other. */
export const sealedFor = {
  token: (resourceId: string): string => `token:${resourceId}`,
  credential: (resourceId: string, version: number): string => `credential:${resourceId}:${version}`,
  issued: (resourceId: string, version: number): string => `issued:${resourceId}:${version}`,
} as const;

import { presentPostgres } from './postgres';
import type { PresentConnection } from './types';

/** Postgres with the extension in it, and an example table when a size was asked for. */
export const presentVector: PresentConnection = (input) => ({
  ...presentPostgres(input),
  extension: 'pgvector',
  dimensions: input.resource.options.dimensions ?? null,
});

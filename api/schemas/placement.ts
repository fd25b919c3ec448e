// Answers of the operator's routes about backends and hosts.
import { z } from 'zod';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { timestamp } from './provision';

const count = z.int();

export const backendSchema = z
  .object({
    name: z.string(),
    kind: z.enum(RESOURCE_KINDS),
    engine: z.string().nullable(),
    region: z.string(),
    host: z.string().nullable().meta({ description: 'The host that runs a process for each of its resources.' }),
    capacity: count,
    held: count.meta({ description: 'Slots taken: resources that are neither deleted nor failed.' }),
    weight: count,
    drained: z.boolean(),
    ready: z.boolean(),
    server_version: z.string().nullable(),
    last_error: z.string().nullable(),
    unproven: z.string().nullable().meta({ description: "What of it was never tried against the vendor's own server." }),
    pool_ready: count.meta({ description: 'Items made ahead.' }),
  })
  .meta({ id: 'Backend' });

export const hostSchema = z
  .object({
    name: z.string(),
    region: z.string(),
    address: z.string(),
    drained: z.boolean(),
    ready: z.boolean(),
    checked_at: timestamp.nullable(),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Host' });

export const placementAnswer = z.object({ ok: z.literal(true), backends: z.array(backendSchema), hosts: z.array(hostSchema) });
export const drainAnswer = z.object({ ok: z.literal(true), name: z.string(), drained: z.boolean() });
export const placementParams = z.object({ name: z.string().meta({ description: 'As in backends.yaml.' }) });

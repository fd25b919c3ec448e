// Temporal's codec protocol: payloads as protobuf's JSON writes them, bytes in base64.
import type { Payload } from '@temporalio/common';
import { z } from 'zod';

/** A page of a history has a few hundred. */
const MOST_PAYLOADS = 2_000;

const base64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/, { error: 'must be base64' });
const payload = z.object({ metadata: z.record(z.string(), base64).nullish(), data: base64.nullish() }).meta({ id: 'TemporalPayload' });

export const payloadsBody = z.object({
  // Protobuf's JSON leaves an empty list out.
  payloads: z
    .array(payload)
    .max(MOST_PAYLOADS, { error: `may hold ${MOST_PAYLOADS} payloads at most` })
    .default([]),
});
export const payloadsAnswer = z.object({ payloads: z.array(payload) });

type WirePayload = z.output<typeof payload>;

export function toPayload({ metadata, data }: WirePayload): Payload {
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value, 'base64')])),
    data: Buffer.from(data ?? '', 'base64'),
  };
}

export function toWirePayload({ metadata, data }: Payload): WirePayload {
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')])),
    data: Buffer.from(data ?? []).toString('base64'),
  };
}

// Who is on an open server: one message a tenant, in a stream of the platform's. Anybody who reaches the server can change it too.
import { DiscardPolicy, JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { z } from 'zod';
import type { QueueLimits } from '../../../shared/queueprovider';
import { isObjectName } from '../../../shared/resourcetype';
import { ProviderUnavailable } from '../../errors';
import type { OpenServer } from './connection';

const REGISTER = 'leasehold-tenants';
const SUBJECT = 'leasehold.tenants';
const REGISTER_BYTES = 64 * 1024 * 1024;
const STREAM_NOT_FOUND = 10059;
const NO_MESSAGE_FOUND = 10037;
const WRONG_LAST_SEQUENCE = 10071;

/** What the server itself cannot know, since to it every client is the same. */
export interface OpenTenant {
  /** Not there until a verb that brings them, once the entry could not be read. */
  limits?: QueueLimits | undefined;
  isCut: boolean;
  isReadOnly: boolean;
  /** There is nothing behind a version; they are kept so that a late call is known as one. */
  versions: number[];
  newestVersion: number;
}

const number = z.number();
const openTenant: z.ZodType<OpenTenant> = z.object({
  limits: z
    .object({ storageBytes: number, connections: number, streams: number, consumersPerStream: number, messageBytes: number })
    .optional(),
  isCut: z.boolean(),
  isReadOnly: z.boolean(),
  versions: z.array(number),
  newestVersion: number,
});

/** Anybody can write an entry: of one that cannot be read only the name is known, and the next change writes it anew. */
export const NOTHING_KNOWN: OpenTenant = { isCut: false, isReadOnly: false, versions: [], newestVersion: 0 };

export interface RegisteredTenant {
  /** Null = what is written there cannot be read. */
  tenant: OpenTenant | null;
  /** Of its message: a change is refused when another came in between. */
  sequence: number;
}

export function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}

/** Makes the register where there is none. */
export async function ensureRegister({ manager }: OpenServer): Promise<void> {
  const found = await manager.streams.info(REGISTER).catch((error: unknown) => {
    if (isApiError(error, STREAM_NOT_FOUND)) return null;
    throw error;
  });
  if (found !== null) return;
  await manager.streams.add({
    name: REGISTER,
    subjects: [`${SUBJECT}.*`],
    max_msgs_per_subject: 1,
    max_bytes: REGISTER_BYTES,
    discard: DiscardPolicy.New,
    description: 'Tenants of Leasehold; not to be changed by hand',
  });
}

export async function findTenant({ manager }: OpenServer, objectName: string): Promise<RegisteredTenant | null> {
  try {
    const message = await manager.streams.getMessage(REGISTER, { last_by_subj: subjectOf(objectName) });
    return message === null ? null : { tenant: readTenant(message.string()), sequence: message.seq };
  } catch (error) {
    if (isApiError(error, NO_MESSAGE_FOUND) || isApiError(error, STREAM_NOT_FOUND)) return null;
    throw error;
  }
}

function readTenant(text: string): OpenTenant | null {
  try {
    return openTenant.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

export async function storeTenant(
  { connection }: OpenServer,
  objectName: string,
  { tenant, expected }: { tenant: OpenTenant; expected: number },
): Promise<void> {
  const expect = { lastSubjectSequence: expected };
  await jetstream(connection)
    .publish(subjectOf(objectName), JSON.stringify(tenant), { expect })
    .catch((error: unknown) => {
      if (isApiError(error, WRONG_LAST_SEQUENCE)) throw new ProviderUnavailable(`${objectName} was changed meanwhile`);
      throw error;
    });
}

export async function forgetTenant({ manager }: OpenServer, objectName: string): Promise<void> {
  await manager.streams.purge(REGISTER, { filter: subjectOf(objectName) }).catch((error: unknown) => {
    if (!isApiError(error, STREAM_NOT_FOUND)) throw error;
  });
}

export async function registeredNames({ manager }: OpenServer): Promise<string[]> {
  const info = await manager.streams.info(REGISTER, { subjects_filter: `${SUBJECT}.*` });
  return Object.keys(info.state.subjects ?? {})
    .map((subject) => subject.slice(SUBJECT.length + 1))
    .filter(isObjectName);
}

function subjectOf(objectName: string): string {
  return `${SUBJECT}.${objectName}`;
}

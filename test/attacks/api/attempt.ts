// One thing tried against the api, and what is expected of a refusal: the status, and a line on the record where somebody known tried it.
import { randomUUID } from 'node:crypto';
import type { ApiWorld, AuditRow, Team } from '../../harness/api-world';
import type { Answer } from '../../harness/http';
import type { Attack } from '../attack';

export interface Stage {
  world: ApiWorld;
  attacker: Team;
  victim: Team;
}

/** What an engineer of the api adds: attacks on one stage that all of them share. */
export type AttackRoom = (stage: Stage) => Attack[];

export interface Attempt {
  /** `POST /db/new` */
  route: string;
  bearer?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

export interface Tried {
  answer: Answer;
  requestId: string;
}

export async function attempt(world: ApiWorld, { route, bearer, headers, body }: Attempt): Promise<Tried> {
  const requestId = `attack-${randomUUID()}`;
  const answer = await world.call(route, { bearer, body, headers: { 'x-request-id': requestId, ...headers } });
  return { answer, requestId };
}

/** An attack that is breached where `tried` says how. */
export function attack(name: string, tried: () => Promise<string | null>): Attack {
  return {
    name,
    async run() {
      const breached = await tried();
      return breached === null ? 'refused' : { breached };
    },
  };
}

export interface Refusal {
  statuses: readonly number[];
  errorCode?: string;
  /** A denial is on the record under the request's id. */
  audited?: boolean;
}

/** Null when it was refused as it should be. */
export async function refusal(world: ApiWorld, tried: Attempt, { statuses, errorCode, audited = false }: Refusal): Promise<string | null> {
  const { answer, requestId } = await attempt(world, tried);
  const said = `${tried.route} answered ${answer.status} ${answer.body.error ?? ''} ${answer.body.error_code ?? ''}`.trim();
  if (!statuses.includes(answer.status)) return said;
  if (errorCode !== undefined && answer.body.error_code !== errorCode) return `${said}, not ${errorCode}`;
  if (audited && !(await isOnRecord(world, requestId))) return `${said}, and nothing is on the record`;
  return null;
}

const PATIENCE_MS = 30_000;

/** Denials are written beside the answer, not before it. */
export async function isOnRecord(
  world: ApiWorld,
  requestId: string,
  accept: (row: AuditRow) => boolean = ({ result }) => result === 'denied',
): Promise<boolean> {
  for (const endsAtMs = Date.now() + PATIENCE_MS; Date.now() < endsAtMs; ) {
    if ((await world.audited(requestId)).some(accept)) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

/** The first breach of several tries, or null. */
export async function firstBreach(tries: readonly (() => Promise<string | null>)[]): Promise<string | null> {
  for (const tried of tries) {
    const breached = await tried();
    if (breached !== null) return breached;
  }
  return null;
}

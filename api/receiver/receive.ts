// ANY /webhook/receive/<token>: who may, how much of it, and into the ring.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type FoundInbox,
  type InboxStore,
  keptHeaders,
  LARGEST_BODY_BYTES,
  type ReceiveOutcome,
  signatureMatches,
  unseal,
} from '../../shared/inbox';
import { type Answering, type Refusal, sendJson, sendRefusal } from './answers';
import { type BodyGauge, readBody } from './body';
import { MinuteBudget } from './budget';

const TARGET = /^\/webhook\/receive\/([A-Za-z0-9_-]{16,128})(\/[^?]{0,1024})?(?:\?(.{0,16384}))?$/;
const MIB = 1024 * 1024;
/** Bodies that are being read or stored for one inbox: a slow sender holds one of these places. */
const MAX_AT_ONCE = 32;
/** Of all bodies that are being read or stored. */
const MAX_HELD_BYTES = 512 * 1024 * 1024;
/** Tokens that open nothing, from one address: guessing is hopeless anyway, and told so. */
const UNKNOWN_PER_MINUTE = 60;

export interface ReceiveOptions {
  store: Pick<InboxStore, 'receive' | 'registry'>;
  requestsPerMinute: number;
}

interface Target {
  token: string;
  path: string;
  query: string;
}

/** Null for what is no receive address at all. Dots, percent signs and slashes are in no token, so there is nothing to decode or walk. */
export function targetOf(url: string): Target | null {
  const match = TARGET.exec(url);
  return match?.[1] === undefined ? null : { token: match[1], path: match[2] ?? '/', query: match[3] ?? '' };
}

const UNKNOWN: Refusal = { code: 'not_found', message: 'There is no inbox at this address.' };
const INACTIVE: Refusal = { code: 'webhook_inactive', message: 'This inbox takes nothing: it is paused, suspended, expired or deleted.' };
const FULL: Refusal = { code: 'temporarily_unavailable', message: 'This inbox is over its plan’s storage.', retryAfterSeconds: 60 };
const NO_ROOM: Refusal = { code: 'temporarily_unavailable', message: 'Too much is being received. Send it again in a moment.' };
const BAD_SIGNATURE: Refusal = { code: 'forbidden', message: 'The signature does not match the body.' };

export class Receive {
  readonly #options: ReceiveOptions;
  readonly #perInbox = new MinuteBudget();
  readonly #bytesPerInbox = new MinuteBudget();
  readonly #unknownPerAddress = new MinuteBudget();
  readonly #gauge: BodyGauge = { heldBytes: 0, limitBytes: MAX_HELD_BYTES };
  readonly #atOnce = new Map<string, number>();

  constructor(options: ReceiveOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse, answering: Answering): Promise<void> {
    const refuse = (refusal: Refusal) => sendRefusal(response, answering, refusal);
    const target = targetOf(request.url ?? '');
    if (target === null) return refuse(UNKNOWN);
    const admission = await this.#admit(request, target, answering);
    if ('code' in admission) return refuse(admission);
    const { objectName } = admission;
    this.#atOnce.set(objectName, (this.#atOnce.get(objectName) ?? 0) + 1);
    let release = () => {};
    try {
      if (request.headers.expect !== undefined) response.writeContinue();
      const read = await readBody(request, { limitBytes: admission.maxBodyBytes, gauge: this.#gauge });
      release = read.release;
      if (read.type === 'aborted') return;
      if (read.type === 'too_large') return refuse(tooLarge(admission.maxBodyBytes));
      if (read.type === 'no_room') return refuse(NO_ROOM);
      if (!isSigned(admission, target.token, request, read.body)) return refuse(BAD_SIGNATURE);
      const bytes = this.#bytesPerInbox.take(objectName, { limit: admission.maxBytesPerMinute, cost: read.body.length });
      if (!bytes.allowed) return refuse(rateLimited(`${bytes.limit / MIB} MiB`, bytes.resetSeconds));
      const outcome = await this.#options.store.receive(target.token, admission, {
        method: request.method ?? 'GET',
        path: target.path,
        query: target.query,
        headers: keptHeaders(request.rawHeaders),
        body: read.body,
      });
      this.#answer(response, answering, outcome);
    } finally {
      release();
      const left = (this.#atOnce.get(objectName) ?? 1) - 1;
      if (left > 0) this.#atOnce.set(objectName, left);
      else this.#atOnce.delete(objectName);
    }
  }

  /** Everything that can be told before the body is there. */
  async #admit(request: IncomingMessage, target: Target, answering: Answering): Promise<FoundInbox | Refusal> {
    const found = await this.#options.store.registry.find(target.token);
    if (found === null) {
      // Behind a proxy all senders have one address, so whoever knows a token is never made to wait for those who guess.
      const guesses = this.#unknownPerAddress.take(request.socket.remoteAddress ?? '', { limit: UNKNOWN_PER_MINUTE });
      return guesses.allowed ? UNKNOWN : rateLimited(`${guesses.limit} unknown addresses`, guesses.resetSeconds);
    }
    if (found === 'retired' || !found.open) return INACTIVE;
    const rate = this.#perInbox.take(found.objectName, { limit: this.#options.requestsPerMinute });
    Object.assign(answering.headers, {
      'X-RateLimit-Limit': String(rate.limit),
      'X-RateLimit-Remaining': String(rate.remaining),
      'X-RateLimit-Reset': String(rate.resetSeconds),
    });
    if (!rate.allowed) return rateLimited(`${rate.limit} requests`, rate.resetSeconds);
    if ((this.#atOnce.get(found.objectName) ?? 0) >= MAX_AT_ONCE) return rateLimited(`${MAX_AT_ONCE} requests at once`, 1);
    if (found.readOnly) return FULL;
    if (Number(request.headers['content-length'] ?? 0) > found.maxBodyBytes) return tooLarge(found.maxBodyBytes);
    return found;
  }

  #answer(response: ServerResponse, answering: Answering, outcome: ReceiveOutcome): void {
    switch (outcome.outcome) {
      case 'stored':
        if (outcome.rotated) answering.headers['X-Webhook-Rotated'] = 'true';
        sendJson(response, answering, 200, { ok: true, id: outcome.id });
        break;
      case 'unknown':
      case 'inactive':
        sendRefusal(response, answering, INACTIVE);
        break;
      case 'read_only':
        sendRefusal(response, answering, FULL);
        break;
    }
  }
}

function tooLarge(limitBytes: number): Refusal {
  const limit = limitBytes === LARGEST_BODY_BYTES ? '1 MiB' : `${limitBytes / 1024} KiB`;
  return { code: 'payload_too_large', message: `The body is larger than ${limit} (${limitBytes} bytes).` };
}

function rateLimited(what: string, resetSeconds: number): Refusal {
  return {
    code: 'rate_limited',
    message: `More than ${what} in a minute. Wait ${resetSeconds} s.`,
    retryAfterSeconds: resetSeconds,
  };
}

function isSigned(found: FoundInbox, token: string, request: IncomingMessage, body: Buffer): boolean {
  if (found.signature === null) return true;
  const given = request.headers[found.signature.header];
  try {
    const secret = unseal(found.signature.sealedSecret, token);
    return signatureMatches(found.signature, { secret, body, given: Array.isArray(given) ? given[0] : given });
  } catch {
    // A secret that does not open checks nothing, so nothing passes.
    return false;
  }
}

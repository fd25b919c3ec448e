// The JSON API that a vendor has beside S3: a bearer token, errors with the vendor's own words, and patience with its rate limit.
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import type { CallOptions } from './types';

const ATTEMPTS = 4;
const ANSWER_WITHIN_MS = 30_000;
const USUAL_WAIT_MS = 1_000;
/** What asks for more is left to whoever repeats the whole call. */
const LONGEST_WAIT_MS = 10_000;
const LONGEST_MESSAGE = 300;

/** The token is not good, or not for this: a person must change it. */
class ApiRefused extends Error {
  override readonly name = 'VendorApiRefused';
}

/** Absent as a value: whether that is success is the caller's to say. */
export const NOT_FOUND = Symbol('not found');

export interface ApiRequest<T> extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  answer: z.ZodType<T>;
}

export class VendorApi {
  readonly #options: { vendor: string; endpoint: string; token: string };

  constructor(options: { vendor: string; endpoint: string; token: string }) {
    this.#options = options;
  }

  async call<T>(request: ApiRequest<T>): Promise<T | typeof NOT_FOUND> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.#send(request);
      const text = await response.text();
      if (response.ok) return this.#parsed(request, text);
      if (response.status === 404) return NOT_FOUND;
      const reason = `${this.#options.vendor} answered ${response.status} to ${request.method} ${request.path}: ${wordsOf(text)}`;
      if (response.status === 401 || response.status === 403) throw new ApiRefused(`${reason}; check the token of api_token_env`);
      if (response.status !== 429 && response.status < 500) throw new Error(reason);
      const waitMs = waitOf(response, attempt);
      if (attempt === ATTEMPTS || waitMs > LONGEST_WAIT_MS) throw new Error(reason);
      await sleep(waitMs, undefined, { signal: request.signal });
    }
  }

  #send({ method, path, body, signal }: ApiRequest<unknown>): Promise<Response> {
    const { endpoint, token } = this.#options;
    const timeout = AbortSignal.timeout(ANSWER_WITHIN_MS);
    return fetch(`${endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      redirect: 'error',
    });
  }

  #parsed<T>({ method, path, answer }: ApiRequest<T>, text: string): T {
    try {
      return answer.parse(text === '' ? null : JSON.parse(text));
    } catch {
      // The answer may hold a secret: nothing of it is quoted.
      throw new Error(`${this.#options.vendor} answered ${method} ${path} in a shape that is not known`);
    }
  }
}

/** In seconds or as a date; without it longer each time. */
function waitOf(response: Response, attempt: number): number {
  const given = response.headers.get('retry-after');
  if (given === null) return USUAL_WAIT_MS * 2 ** (attempt - 1);
  const seconds = Number(given);
  return Number.isFinite(seconds) ? seconds * 1000 : Math.max(0, Date.parse(given) - Date.now());
}

/** Of an error's answer alone, which holds no secret: Cloudflare's `errors[].message`, DigitalOcean's `message`. */
function wordsOf(text: string): string {
  try {
    const { message, errors } = JSON.parse(text) as { message?: unknown; errors?: { code?: unknown; message?: unknown }[] };
    const words = typeof message === 'string' ? message : errors?.map((error) => `${error.code} ${error.message}`).join(', ');
    return (words ?? 'no reason given').slice(0, LONGEST_MESSAGE);
  } catch {
    return 'no reason given';
  }
}

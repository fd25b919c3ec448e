// The codec endpoint: what Temporal stores, decrypted for platform operators in the Temporal UI and the `temporal` command.
import type { PayloadCodec } from '@temporalio/common';
import type { RequestHandler } from 'express';
import { DecryptError } from '../../shared/crypto';
import { audit } from '../audit';
import { authorizeScope } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import { payloadsAnswer, payloadsBody, toPayload, toWirePayload } from '../schemas/codec';

export const CODEC_PATH = '/codec';
const VERBS = ['decode', 'encode'] as const;
type Verb = (typeof VERBS)[number];
/** Browsers ask again after so long. */
const PREFLIGHT_SECONDS = 600;

export interface CodecEndpoint {
  payloads: PayloadCodec;
  /** The one whose payloads these are. */
  namespace: string;
  /** Of the Temporal UI; null: no browser may call. */
  origin: string | null;
}

export function codecRoutes(deps: ApiDeps): Route[] {
  return VERBS.map((verb) => codecRoute(deps, verb));
}

function codecRoute(deps: ApiDeps, verb: Verb): Route {
  const { payloads: codec, namespace } = deps.codec;
  return defineRoute({
    method: 'post',
    path: `${CODEC_PATH}/${verb}`,
    operationId: `codec_${verb}`,
    summary: verb === 'decode' ? 'Decrypt Temporal payloads' : 'Encrypt Temporal payloads',
    description: "Temporal's codec protocol, for its UI and its command line. Every call is in the audit log, without what was in it.",
    tag: 'Operators',
    access: 'operator',
    headers: { 'X-Namespace': 'The Temporal namespace that the payloads are of; no other than this installation’s is served.' },
    body: payloadsBody,
    answers: { 200: { description: 'The payloads, in their order.', schema: payloadsAnswer } },
    errors: [],
    async handle({ caller, context, body, header }) {
      authorizeScope(deps, { caller, context, action: 'admin.codec', scope: { kind: 'global' } });
      // By person where one is known: the key of the configuration has no name.
      await deps.rates.admitRoute('codec_calls', caller, caller.type === 'operator' ? `operator:${caller.userId ?? ''}` : undefined);
      if (header('x-namespace') !== namespace) throw wrongNamespace();
      const payloads = await convert(() => codec[verb](body.payloads.map(toPayload)));
      const target = { type: 'namespace', id: namespace, teamId: null };
      await audit(deps, { caller, context, action: `codec.${verb}`, target, result: 'success', data: { payloads: payloads.length } });
      return { status: 200, body: { payloads: payloads.map(toWirePayload) } };
    },
  });
}

function wrongNamespace(): ApiError {
  return new ApiError({
    code: 'invalid_request',
    message: "X-Namespace must name this installation's Temporal namespace; nothing else is served here.",
    details: { field: 'X-Namespace' },
  });
}

async function convert<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Its message names a key's id and nothing of the payload.
    if (error instanceof DecryptError) throw new ApiError({ code: 'invalid_request', message: error.message, cause: error });
    throw error;
  }
}

/** Lets the one configured origin call from a browser: a credential goes along, so no other may, and none at all by default. */
export function codecCors({ codec: { origin } }: Pick<ApiDeps, 'codec'>): RequestHandler {
  return (request, response, next) => {
    response.vary('Origin');
    const allowed = origin !== null && request.headers.origin === origin;
    if (allowed) response.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' });
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return next();
    if (!allowed) {
      return next(
        new ApiError({
          code: 'forbidden',
          message: 'This origin may not call the codec. Set LEASEHOLD_CODEC_ORIGIN to that of the Temporal UI.',
        }),
      );
    }
    response
      .set({
        'Access-Control-Allow-Methods': 'POST',
        'Access-Control-Allow-Headers': 'authorization, content-type, x-namespace',
        'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
      })
      .status(204)
      .end();
  };
}

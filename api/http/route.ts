// A route as data: what it takes, what it answers, which errors it knows. The app mounts it and the OpenAPI document describes it.
import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { ErrorCode } from '../../shared/errors';
import type { RateName } from '../../shared/plans';
import type { Caller } from '../auth/caller';
import type { RequestContext } from './context';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
/** `public` looks at no credential; `caller` takes anonymous callers and teams; `bearer` and `operator` need theirs. */
export type RouteAccess = 'public' | 'caller' | 'bearer' | 'operator';

export interface Answer {
  description: string;
  /** JSON body; absent = no body, or one of `contentTypes`. */
  schema?: z.ZodType;
  /** Other media types this status may be answered in. */
  contentTypes?: readonly string[];
  headers?: readonly string[];
}

export interface RouteRequest<P = unknown, Q = unknown, B = unknown> {
  context: RequestContext;
  caller: Caller;
  params: P;
  query: Q;
  body: B;
  /** Header values by lower-case name. */
  header(name: string): string | undefined;
  raw: Request;
  response: Response;
  /** Who the caller is by now, for what goes on for long. @throws ApiError when the credential holds no more */
  reauthenticate(): Promise<Caller>;
}

export interface Reply {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** For bodies that are not JSON. */
  contentType?: string;
  /** The handler has written the answer itself (a stream). */
  handled?: boolean;
}

export interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: Method;
  path: string;
  operationId: string;
  summary: string;
  description?: string;
  tag: string;
  access: RouteAccess;
  params?: P;
  query?: Q;
  body?: B;
  /** Request headers that change the answer, by name. */
  headers?: Readonly<Record<string, string>>;
  /** The code for a wrong field, by its name; the rest are `invalid_request`. */
  fieldCodes?: Readonly<Record<string, ErrorCode>>;
  /**
   * What a repeat under the same Idempotency-Key does. `kept`: gets the answer that the first one got; so by default where something is
   * changed. `own`: the route sees to it by itself. `none`: the key says nothing.
   */
  idempotency?: 'kept' | 'own' | 'none';
  /** Counted by the caller besides; it hands out access, so it is refused while nothing can be counted. */
  rate?: RateName;
  answers: Readonly<Record<number, Answer>>;
  errors: readonly ErrorCode[];
  handle(request: RouteRequest<z.output<P>, z.output<Q>, z.output<B>>): Promise<Reply>;
}

/** A route once its types have done their work. */
export type Route = Omit<RouteSpec<z.ZodType, z.ZodType, z.ZodType>, 'handle'> & {
  handle(request: RouteRequest): Promise<Reply>;
};

export function defineRoute<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(spec: RouteSpec<P, Q, B>): Route {
  return spec as unknown as Route;
}

/** Whether answers are kept for repeats under an Idempotency-Key. */
export function keepsAnswers(route: Pick<Route, 'method' | 'idempotency'>): boolean {
  if (route.idempotency !== undefined) return route.idempotency === 'kept';
  return route.method === 'post' || route.method === 'put' || route.method === 'patch';
}

/** Errors that any route may answer, besides its own. */
export function commonErrors(route: Pick<Route, 'access' | 'method' | 'idempotency'>): ErrorCode[] {
  const codes: ErrorCode[] = ['credentials_in_query', 'invalid_request', 'rate_limited', 'internal_error', 'temporarily_unavailable'];
  if (route.access !== 'public') codes.push('unauthorized', 'forbidden');
  if (['post', 'put', 'patch'].includes(route.method)) codes.push('invalid_json', 'payload_too_large', 'unsupported_media_type');
  if (keepsAnswers(route)) codes.push('invalid_idempotency_key', 'idempotency_key_reuse');
  return codes;
}

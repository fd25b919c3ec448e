// The Express app: what every request goes through, and every route behind it.
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { withContext } from '../shared/logctx';
import { startRequestSpan } from '../shared/telemetry';
import { withUncaughtHandler } from '../shared/uncaught';
import { resourceWorkflowId } from '../workflows/resource/messages';
import { auditRevoked, refusalsOnRecord } from './audit';
import { clientAddress } from './auth/address';
import { authenticate, unauthorized } from './auth/authenticate';
import { authorizeScope } from './auth/authorize';
import { asOperator, type Caller, type TeamCaller } from './auth/caller';
import type { ApiDeps } from './deps';
import { ApiError, asProblem, errorAnswer, toLeaseholdError } from './errors';
import { openContext, type RequestContext, securityHeaders } from './http/context';
import { isGuess, isUnknownToken, knownAs, presentedTokens, rateHeaders } from './http/ratelimit';
import { keepsAnswers, type Reply, type Route, type RouteRequest } from './http/route';
import { idempotentRequest, once } from './idempotency/layer';
import { accountRoutes } from './routes/account';
import { adminRoutes } from './routes/admin';
import { adminUpkeepRoutes } from './routes/admin-upkeep';
import { apiKeyRoutes } from './routes/apikeys';
import { auditRoutes } from './routes/audit';
import { claimRoutes } from './routes/claim';
import { claimPageRoutes } from './routes/claim-page';
import { cliRoutes } from './routes/cli';
import { CODEC_PATH, codecCors, codecRoutes } from './routes/codec';
import { commandRoutes } from './routes/commands';
import { docsRoutes } from './routes/docs';
import { eventRoutes } from './routes/events';
import { notificationLinkRoutes } from './routes/notification-links';
import { notificationSettingsRoutes } from './routes/notification-settings';
import { opsRoutes } from './routes/ops';
import { outboxRoutes } from './routes/outbox';
import { placementRoutes } from './routes/placement';
import { policyRoutes } from './routes/policies';
import { presignRoutes } from './routes/presign';
import { provisionRoutes } from './routes/provision';
import { resourceRoutes } from './routes/resources';
import { serviceAccountRoutes } from './routes/serviceaccounts';
import { signInRoutes } from './routes/signin';
import { socketRoutes } from './routes/sockets';
import { teamStreamRoutes } from './routes/stream';
import { subscriptionDeliveryRoutes } from './routes/subscription-deliveries';
import { subscriptionRoutes } from './routes/subscriptions';
import { teamRoutes } from './routes/team';
import { teamInvitationRoutes } from './routes/team-invitations';
import { webhookRoutes } from './routes/webhooks';
import { parseWith } from './schemas/parse';

const BODY_LIMIT = '1mb';
/** The paths whose one-purpose onboarding token may be in the query. */
const ONBOARDING_PATHS = new Set(['/start', '/claim/preview']);
const CREDENTIAL_PARAMETER = /^(token|accesstoken|apikey)(\[.*)?$/;

interface Locals {
  context: RequestContext;
}

export function apiRoutes(deps: ApiDeps): Route[] {
  const routes = [
    ...provisionRoutes(deps),
    ...claimRoutes(deps),
    ...claimPageRoutes(deps),
    ...resourceRoutes(deps),
    ...commandRoutes(deps),
    ...presignRoutes(deps),
    ...eventRoutes(deps),
    ...webhookRoutes(deps),
    ...subscriptionRoutes(deps),
    ...subscriptionDeliveryRoutes(deps),
    ...notificationSettingsRoutes(deps),
    ...notificationLinkRoutes(deps),
    ...teamStreamRoutes(deps),
    ...socketRoutes(deps),
    ...accountRoutes(deps),
    ...apiKeyRoutes(deps),
    ...teamRoutes(deps),
    ...teamInvitationRoutes(deps),
    ...auditRoutes(deps),
    ...adminRoutes(deps),
    ...adminUpkeepRoutes(deps),
    ...outboxRoutes(deps),
    ...placementRoutes(deps),
    ...signInRoutes(deps),
    ...policyRoutes(deps),
    ...cliRoutes(deps),
    ...serviceAccountRoutes(deps),
    ...codecRoutes(deps),
    ...opsRoutes(deps),
  ];
  return [...routes, ...docsRoutes(deps, routes)];
}

export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('case sensitive routing', true);
  app.set('trust proxy', deps.settings.trustedProxies.length > 0 ? [...deps.settings.trustedProxies] : false);
  app.use(openRequest(deps));
  app.use(CODEC_PATH, codecCors(deps));
  app.use(limitRate(deps));
  app.use(checkUrl);
  const routes = apiRoutes(deps);
  for (const path of new Set(routes.map((route) => route.path))) {
    mount(
      app,
      deps,
      path,
      routes.filter((route) => route.path === path),
    );
  }
  app.use((_request: Request, _response: Response, next: NextFunction) => {
    next(new ApiError({ code: 'not_found', message: 'There is nothing at this address.' }));
  });
  app.use(answerError(deps));
  return app;
}

/** Id, trace and headers first: whatever fails later, the answer has them. Then the log line and the metrics, once it is out. */
function openRequest(deps: ApiDeps): RequestHandler {
  return (request, response, next) => {
    const context = openContext(request.headers);
    (response.locals as Locals).context = context;
    const span = startRequestSpan({ ...context, method: request.method });
    if (span !== null) Object.assign(context, { traceparent: span.traceparent, userId: clientAddress(request).fingerprint });
    response.set(securityHeaders(context));
    response.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - context.startedAt) / 1e9;
      const { method } = request;
      const { route, resourceId } = context;
      const status = response.statusCode;
      deps.metrics.observe({ method, route, status, seconds });
      // The pattern, never the path: a path may hold a token.
      const line = {
        ...(resourceId === undefined ? {} : { resource_id: resourceId, workflow_id: resourceWorkflowId(resourceId) }),
        ...{ method, route, status, duration_ms: Math.round(seconds * 1000), request_id: context.requestId },
      };
      const aborted = !response.writableFinished;
      const log = () => deps.logger.log(status >= 500 ? 'warn' : 'info', 'request', aborted ? { ...line, aborted } : line);
      if (span === null) return log();
      span.run(log);
      span.end({ method, route, status, aborted, requestId: context.requestId, userId: context.userId });
    });
    const fields = {
      request_id: context.requestId,
      trace_id: context.traceparent.slice(3, 35),
      span_id: context.traceparent.slice(36, 52),
    };
    const uncaught = (error: unknown) => answerError(deps)(error, request, response, next);
    withContext(fields, () => withUncaughtHandler(uncaught, () => (span === null ? next() : span.run(next))));
  };
}

const checkUrl: RequestHandler = (request, _response, next) => {
  try {
    decodeURIComponent(request.path);
  } catch {
    throw new ApiError({
      code: 'invalid_request',
      message: 'The path is not valid: % must be followed by two hexadecimal digits of UTF-8.',
    });
  }
  for (const name of Object.keys(request.query)) {
    if (CREDENTIAL_PARAMETER.test(name.toLowerCase().replace(/[_-]/g, '')) && !ONBOARDING_PATHS.has(request.path)) {
      throw new ApiError({
        code: 'credentials_in_query',
        message: 'Credentials do not belong in a URL, where logs and histories keep them. Send Authorization: Bearer, or X-Resource-Token.',
        details: { field: name.slice(0, 64) },
      });
    }
  }
  next();
};

function limitRate(deps: ApiDeps): RequestHandler {
  return (request, response, next) => {
    const admitted = deps.rates.admit(clientAddress(request), request.headers.authorization).then((decision) => {
      response.set(rateHeaders(decision));
      deps.rates.refuse(decision);
    });
    admitted.then(() => next(), next);
  };
}

function mount(app: Express, deps: ApiDeps, path: string, routes: readonly Route[]): void {
  const methods = routes.flatMap((route) => (route.method === 'get' ? ['GET', 'HEAD'] : [route.method.toUpperCase()]));
  const mounted = app.route(path);
  for (const route of routes) {
    mounted[route.method](setRoute(path), ...(route.body === undefined ? [] : [readJson]), (request: Request, response: Response) =>
      handle(deps, route, request, response),
    );
  }
  mounted.all(setRoute(path), (request: Request) => {
    throw new ApiError({
      code: 'method_not_allowed',
      message: `${request.method} is not a method of this address. It takes ${methods.join(', ')}.`,
      headers: { Allow: methods.join(', ') },
    });
  });
}

function setRoute(path: string): RequestHandler {
  return (_request, response, next) => {
    (response.locals as Locals).context.route = path;
    next();
  };
}

const parseJson = express.json({ limit: BODY_LIMIT, strict: false, type: 'application/json' });

const readJson: RequestHandler = (request, response, next) => {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const hasBody = encoding !== undefined || (length !== undefined && length !== '0');
  if (hasBody && !request.is('application/json')) {
    return next(new ApiError({ code: 'unsupported_media_type', message: 'The body must be sent as Content-Type: application/json.' }));
  }
  parseJson(request, response, next);
};

async function handle(deps: ApiDeps, route: Route, request: Request, response: Response): Promise<void> {
  const { context } = response.locals as Locals;
  const known = await callerOf(deps, route, request, context);
  // Who runs the installation is its operator where operators are asked for, and elsewhere one of their team.
  const caller = route.access === 'operator' ? asOperator(known) : known;
  context.userId = caller.type === 'team' ? caller.teamId : caller.address.fingerprint;
  if (route.access === 'bearer' && caller.type === 'anonymous') throw unauthorized('missing_credentials');
  if (route.access === 'operator') authorizeScope(deps, { caller, context, action: 'admin.list', scope: { kind: 'global' } });
  if (route.rate !== undefined) await deps.rates.admitRoute(route.rate, caller);
  const routeRequest: RouteRequest = {
    context,
    caller,
    params: route.params === undefined ? {} : parseWith(route.params, request.params),
    query: route.query === undefined ? {} : parseWith(route.query, request.query, route.fieldCodes),
    body: route.body === undefined ? undefined : parseWith(route.body, bodyOf(route, request), route.fieldCodes),
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    raw: request,
    response,
    reauthenticate: () => callerOf(deps, route, request, context),
  };
  const reply = await withContext({ team_id: caller.type === 'team' ? caller.teamId : undefined }, () =>
    refusalsOnRecord(deps, { route, caller, context }, () =>
      countGuesses(deps, request, caller, () => onceForItsKey(deps, route, routeRequest)),
    ),
  );
  if (reply.handled !== true) send(deps, route, response, reply);
}

/** No body at all is an empty object where one is needed: the answer then names the missing field. */
function bodyOf(route: Route, request: Request): unknown {
  if (request.body === undefined && route.body?.safeParse(undefined).success !== true) request.body = {};
  return request.body;
}

async function callerOf(deps: ApiDeps, route: Route, request: Request, context: RequestContext): Promise<Caller> {
  const address = clientAddress(request);
  if (route.access === 'public') return { type: 'anonymous', address };
  const { store, identity, apiKeys, jwt, oidc, settings, rates } = deps;
  const onRevoked = (caller: TeamCaller) => auditRevoked(deps, { caller, context });
  const { authorization } = request.headers;
  rates.refuseGuesser(address, [
    ...(authorization === undefined ? [] : [authorization]),
    ...presentedTokens(request.headers, request.params),
  ]);
  try {
    const caller = await authenticate(
      { store, identity, apiKeys, jwt, oidc, onRevoked, operatorKey: settings.operatorKey },
      authorization,
      address,
    );
    if (authorization !== undefined) rates.remember(authorization, knownAs(caller));
    return caller;
  } catch (error) {
    if (authorization !== undefined) rates.forget(authorization);
    if (isGuess(error)) await rates.countFailure(address);
    throw error;
  }
}

/** Many requests under one Idempotency-Key are one, where the route does not see to that itself. */
async function onceForItsKey(deps: ApiDeps, route: Route, request: RouteRequest): Promise<Reply> {
  const { caller, header, raw } = request;
  const url = raw.originalUrl;
  const keyed = keepsAnswers(route) ? idempotentRequest({ route, caller, url, body: raw.body, header }) : null;
  return keyed === null ? await route.handle(request) : await once(deps.idempotency, keyed, () => route.handle(request));
}

/** Tokens of anonymous resources are credentials too, wherever they stand. */
async function countGuesses(deps: ApiDeps, request: Request, caller: Caller, work: () => Promise<Reply>): Promise<Reply> {
  const tokens = presentedTokens(request.headers, request.params);
  try {
    const reply = await work();
    for (const token of tokens) deps.rates.remember(token, knownAs(caller));
    return reply;
  } catch (error) {
    if (tokens.length > 0 && isUnknownToken(error)) await deps.rates.countFailure(caller.address);
    throw error;
  }
}

function send(deps: ApiDeps, route: Route, response: Response, reply: Reply): void {
  deps.onAnswer?.({ route, status: reply.status, body: reply.body });
  response.status(reply.status).set(reply.headers ?? {});
  if (reply.body === undefined) response.end();
  else if (reply.contentType !== undefined) response.set('Content-Type', reply.contentType).send(reply.body);
  else response.json(reply.body);
}

function answerError(deps: ApiDeps) {
  return (thrown: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const { context } = response.locals as Locals;
    const error = toLeaseholdError(thrown);
    const answer = errorAnswer(error, { requestId: context.requestId, urls: deps.settings, nowMs: Date.now() });
    if (answer.status >= 500) {
      deps.logger.log(error.code === 'internal_error' ? 'error' : 'warn', 'request failed', {
        code: error.code,
        route: context.route,
        error: thrown,
      });
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.status(answer.status).set(answer.headers).vary('Accept');
    if (request.accepts(['application/json', 'application/problem+json']) === 'application/problem+json') {
      response.type('application/problem+json').send(JSON.stringify(asProblem(answer, deps.settings.baseUrl)));
    } else response.json(answer.envelope);
  };
}

// The page behind auth_url: says who asks, and takes the token of the person who agrees. No cookie, no script.
import express from 'express';
import { auditRevoked } from '../audit';
import { clientAddress } from '../auth/address';
import { authenticate } from '../auth/authenticate';
import { notFound } from '../auth/authorize';
import type { Caller, TeamCaller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { isGuess } from '../http/ratelimit';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { completeCliSignIn } from '../identity/cli-complete';
import { cliParams, isCliSessionId } from '../schemas/cli';

const PATH = '/auth/cli/:session_id/authorize';
const HTML = 'text/html; charset=utf-8';
const FORM_LIMIT = '32kb';
const HEADERS = {
  // Nothing is loaded, nothing runs, and the form goes nowhere else.
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
};
const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}input,button{font:inherit;width:100%;padding:.5rem;margin:.3rem 0}';

export function cliPageRoutes(deps: ApiDeps): Route[] {
  return [showRoute(deps), submitRoute(deps)];
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function page(body: string): Reply {
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex"><title>Leasehold: sign in a command line</title><style>${STYLE}</style></head><body><h1>Sign in a command line</h1>${body}</body></html>`;
  return { status: 200, body: html, contentType: HTML, headers: HEADERS };
}

const FORM = `<form method="post" autocomplete="off"><label>Your session token, or an id token of your issuer
<input type="password" name="token" required maxlength="16384" autocomplete="off" spellcheck="false"></label>
<button type="submit">Sign this command line in</button></form>`;

function showRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'show_cli_sign_in',
    summary: 'The page on which a person signs a command line in',
    tag: 'Identity',
    access: 'public',
    rate: 'logins',
    params: cliParams,
    answers: { 200: { description: 'A form that asks for a session or id token.', contentTypes: ['text/html'] } },
    errors: ['not_found'],
    async handle({ params }) {
      const { session_id: id } = params;
      const session = isCliSessionId(id) ? await deps.cliSessions.find(id) : null;
      if (session === null || session.completed) throw notFound();
      const asked = `<p>A command line at <strong>${escapeHtml(session.requestedFrom)}</strong> asked at ${session.createdAt.toISOString()} to act for your team: it will get an api key that reads and writes.</p>
<p><strong>Go on only if you have just started it yourself.</strong> Whoever sent you this link otherwise would get the key.</p>`;
      return page(asked + FORM);
    },
  });
}

function submitRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: PATH,
    operationId: 'submit_cli_sign_in',
    summary: 'What the page sends: the token of the person, as a form field',
    tag: 'Identity',
    access: 'public',
    rate: 'logins',
    idempotency: 'none',
    params: cliParams,
    answers: { 200: { description: 'The command line is signed in.', contentTypes: ['text/html'] } },
    errors: ['unauthorized', 'forbidden', 'not_found'],
    async handle(request) {
      const { context, params } = request;
      const caller = await callerOf(deps, request, await formToken(request));
      const { teamName, claimedTokens } = await completeCliSignIn(deps, { caller, context, id: params.session_id });
      const claimed = claimedTokens.length === 0 ? '' : ` ${claimedTokens.length} of its resources are the team’s now.`;
      return page(`<p>Signed in for the team <strong>${escapeHtml(teamName)}</strong>.${claimed} You can go back to the command line.</p>`);
    },
  });
}

/** Other routes take JSON alone; a form without a script cannot send that. */
async function formToken({ raw, response }: RouteRequest): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    express.urlencoded({ extended: false, limit: FORM_LIMIT })(raw, response, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  const { token } = (raw.body ?? {}) as { token?: unknown };
  return typeof token === 'string' ? token.trim() : '';
}

/** As if the token had come in the Authorization header, guessing included. */
async function callerOf(deps: ApiDeps, { raw, context }: RouteRequest, token: string): Promise<Caller> {
  const address = clientAddress(raw);
  const authorization = `Bearer ${token}`;
  const { store, identity, apiKeys, jwt, oidc, settings } = deps;
  const onRevoked = (caller: TeamCaller) => auditRevoked(deps, { caller, context });
  deps.rates.refuseGuesser(address, [authorization]);
  try {
    return await authenticate(
      { store, identity, apiKeys, jwt, oidc, onRevoked, operatorKey: settings.operatorKey },
      authorization,
      address,
    );
  } catch (error) {
    if (isGuess(error)) await deps.rates.countFailure(address);
    throw error;
  }
}

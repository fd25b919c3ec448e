// `/start`: the claim for people, as a page and the form on it. It works without scripts.
import express from 'express';
import { httpStatusOf, type LeaseholdError } from '../../shared/errors';
import { claimedPage, PAGE_HEADERS, type PageItem, problemPage, startPage } from '../claim/page';
import type { ApiDeps } from '../deps';
import { ApiError, toLeaseholdError } from '../errors';
import { type Answer, defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { claimForm, claimQuery } from '../schemas/claim';
import { parseWith } from '../schemas/parse';
import { CLAIM_ERRORS, type ClaimPreview, claimForNewcomer, previewOf, tokensOf } from './claim';

const HTML = 'text/html; charset=utf-8';
const FORM_LIMIT = '32kb';
const readUrlEncoded = express.urlencoded({ extended: false, limit: FORM_LIMIT, parameterLimit: 20 });

const PROBLEMS: Readonly<Record<string, string>> = {
  already_claimed: 'was claimed before',
  not_found: 'is not known here',
  resource_inactive: 'is gone: its time is over, or it was deleted',
  resource_not_ready: 'is still being made; come back in a moment',
};

/** What somebody at a browser can do something about; the rest is answered like everywhere. */
const PAGE_STATUSES: ReadonlySet<number> = new Set([400, 401, 402, 404, 409, 410]);

export function claimPageRoutes(deps: ApiDeps): Route[] {
  return [startRoute(deps), submitRoute(deps)];
}

const asPage = (description: string): Answer => ({ description, contentTypes: ['text/html'] });
const html = (status: number, body: string): Reply => ({ status, body, headers: PAGE_HEADERS, contentType: HTML });

function startRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/start',
    operationId: 'start',
    summary: 'The page behind claim_url',
    tag: 'Claim',
    access: 'public',
    query: claimQuery,
    answers: { 200: asPage('What can be claimed, and a form to do it.'), 401: asPage('The link has expired, or was not made here.') },
    errors: ['unauthorized'],
    async handle({ caller, query }) {
      try {
        const items = await previewOf(deps, caller, await tokensOf(deps, { tokens: query.tokens, jwt: query.t }));
        const proof =
          query.t === undefined
            ? { name: 'tokens' as const, value: (query.tokens ?? []).join(',') }
            : { name: 'jwt' as const, value: query.t };
        return html(200, startPage(items.map(pageItem), proof));
      } catch (error) {
        const known = toLeaseholdError(error);
        if (known.code !== 'unauthorized') throw error;
        return html(401, problemPage(known.message));
      }
    },
  });
}

function pageItem(item: ClaimPreview): PageItem {
  const { resource_type: kind, name, status, expires_at: expiresAt, tier, tier_after: tierAfter, error } = item;
  return { kind, name, status, expiresAt, tier, tierAfter, problem: error === null ? null : (PROBLEMS[error] ?? error) };
}

function submitRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/start',
    operationId: 'start_claim',
    summary: 'The form of the claim page, sent as application/x-www-form-urlencoded',
    tag: 'Claim',
    access: 'public',
    rate: 'logins',
    answers: { 201: asPage('Claimed.'), ...Object.fromEntries([...PAGE_STATUSES].map((status) => [status, asPage('What was wrong.')])) },
    errors: CLAIM_ERRORS,
    async handle(request) {
      try {
        return await submit(deps, request);
      } catch (error) {
        const known: LeaseholdError = toLeaseholdError(error);
        const status = httpStatusOf(known.code);
        if (!PAGE_STATUSES.has(status)) throw error;
        return html(status, problemPage(known.message));
      }
    },
  });
}

async function submit(deps: ApiDeps, { caller, context, raw, response }: RouteRequest): Promise<Reply> {
  await new Promise<void>((resolve, reject) => readUrlEncoded(raw, response, (error?: unknown) => (error ? reject(error) : resolve())));
  if (raw.body === undefined) {
    throw new ApiError({ code: 'unsupported_media_type', message: 'The form is sent as application/x-www-form-urlencoded.' });
  }
  const form = parseWith(claimForm, raw.body);
  const tokens = await tokensOf(deps, form);
  const { member, session, results } = await claimForNewcomer(deps, { caller, context }, { ...form, tokens });
  const names = results.flatMap(({ outcome, resource }) =>
    outcome === 'claimed' && resource !== null ? [`${resource.kind} ${resource.name}`] : [],
  );
  return html(201, claimedPage({ teamId: member.teamId, sessionToken: session.token, baseUrl: deps.settings.baseUrl, names }));
}

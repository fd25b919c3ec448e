// The descriptions: OpenAPI, a page to read, a text for language models, and where to report a hole.

import { z } from 'zod';
import { ERROR_CATALOGUE, type ErrorCode } from '../../shared/errors';
import { AGENT_ACTIONS } from '../agentactions';
import type { ApiDeps } from '../deps';
import { escapeHtml } from '../http/html';
import { defineRoute, type Route } from '../http/route';
import { openApiDocument } from '../schemas/openapi';

const YEAR_MS = 365 * 24 * 3600 * 1000;
const HOUR_CACHE = { 'Cache-Control': 'public, max-age=3600' };

/** @param described every other route; these four describe themselves too */
export function docsRoutes(deps: ApiDeps, described: readonly Route[]): Route[] {
  const routes: Route[] = [];
  const all = () => [...described, ...routes];
  const lazily = <T>(make: () => T): (() => T) => {
    let made: T | undefined;
    return () => {
      made ??= make();
      return made;
    };
  };
  const { baseUrl, contact } = deps.settings;
  const document = lazily(() => openApiDocument(all(), { baseUrl, contact, version: deps.build.version }));
  const page = lazily(() => docsPage(all(), deps));
  const text = lazily(() => llmsText(all(), deps));
  const description = (path: string, operationId: string, summary: string, contentType: string, body: () => unknown): Route =>
    defineRoute({
      method: 'get',
      path,
      operationId,
      summary,
      tag: 'Descriptions',
      access: 'public',
      answers: {
        200:
          contentType === 'application/json'
            ? { description: summary, schema: z.looseObject({ openapi: z.string() }) }
            : { description: summary, contentTypes: [contentType] },
      },
      errors: [],
      handle: async () => ({
        status: 200,
        body: body(),
        headers: HOUR_CACHE,
        ...(contentType === 'application/json' ? {} : { contentType: `${contentType}; charset=utf-8` }),
      }),
    });
  routes.push(
    description('/openapi.json', 'openapi', 'This description, as OpenAPI 3.1', 'application/json', document),
    description('/docs', 'docs', 'This description, to read', 'text/html', page),
    description('/llms.txt', 'llms', 'This description, for language models', 'text/plain', text),
    description('/.well-known/security.txt', 'security_txt', 'Where to report a vulnerability', 'text/plain', () =>
      securityText(baseUrl, contact),
    ),
  );
  return routes;
}

function securityText(baseUrl: string, contact: string): string {
  // To the day, so that the text is the same for everyone who asks on it.
  const expires = new Date(Date.now() + YEAR_MS).toISOString().slice(0, 10);
  return `Contact: ${contact}\nExpires: ${expires}T00:00:00.000Z\nPreferred-Languages: en\nCanonical: ${baseUrl}/.well-known/security.txt\n`;
}

/** Backticks as code. */
const inline = (text: string): string => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}code,pre{font:14px ui-monospace,monospace;' +
  'background:#f3f4f6;border-radius:4px;padding:.1em .3em}pre{padding:1rem;overflow:auto}table{border-collapse:collapse;width:100%}' +
  'td,th{border-bottom:1px solid #d8dee4;padding:.4rem;text-align:left;vertical-align:top}h2{margin-top:2.5rem}';

function curlExample(baseUrl: string): string {
  return `curl -sS ${baseUrl}/db/new -H 'content-type: application/json' -d '{"name":"orders"}'`;
}

function docsPage(routes: readonly Route[], deps: ApiDeps): string {
  const { baseUrl } = deps.settings;
  const tags = [...new Set(routes.map((route) => route.tag))];
  const section = (tag: string) => {
    const rows = routes
      .filter((route) => route.tag === tag)
      .map(
        (route) =>
          `<tr id="${route.operationId}"><td><code>${route.method.toUpperCase()} ${escapeHtml(route.path)}</code></td>` +
          `<td>${inline(route.summary)}${route.description ? `<br><small>${inline(route.description)}</small>` : ''}</td>` +
          `<td>${Object.keys(route.answers).join(', ')}</td></tr>`,
      );
    return `<h2>${escapeHtml(tag)}</h2><table><tr><th>Route</th><th>What it does</th><th>Answers</th></tr>${rows.join('')}</table>`;
  };
  const plans = deps.plans
    .current()
    .capabilities(deps.settings.upgradeUrl)
    .map(
      (tier) =>
        `<tr><td>${escapeHtml(tier.display_name)}</td><td>$${tier.price_usd_monthly}</td><td>${tier.storage_limit_mb.postgres} MB</td>` +
        `<td>${tier.connections_limit.postgres}</td><td>${tier.ttl_seconds === null ? 'none' : `${tier.ttl_seconds / 3600} h`}</td></tr>`,
    );
  const errors = (Object.keys(ERROR_CATALOGUE) as ErrorCode[]).map(
    (code) =>
      `<tr id="error-${code}"><td><code>${code}</code></td><td>${ERROR_CATALOGUE[code]}</td><td>${escapeHtml(AGENT_ACTIONS[code].say)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Leasehold</title><style>${STYLE}</style></head><body>
<h1>Leasehold</h1><p>Real infrastructure on a lease. One call makes a working database; it lives and dies as one workflow.</p>
<pre>${escapeHtml(curlExample(baseUrl))}</pre>
<p>Credentials go in the <code>Authorization: Bearer</code> header, the token of an anonymous resource in <code>X-Resource-Token</code>; never in a URL.
The machine-readable description is at <a href="/openapi.json">/openapi.json</a>.</p>
${tags.map(section).join('\n')}
<h2 id="plans">Plans</h2><table><tr><th>Plan</th><th>A month</th><th>Postgres</th><th>Connections</th><th>Life</th></tr>${plans.join('')}</table>
<h2 id="errors">Errors</h2><p>Every error has <code>error</code>, <code>message</code>, <code>request_id</code>, <code>retry_after_seconds</code> and <code>agent_action</code>.</p>
<table><tr><th>Error</th><th>Status</th><th>What to do</th></tr>${errors.join('')}</table></body></html>`;
}

function llmsText(routes: readonly Route[], deps: ApiDeps): string {
  const { baseUrl } = deps.settings;
  const lines = routes.map((route) => `- ${route.method.toUpperCase()} ${baseUrl}${route.path}: ${route.summary}`);
  return `# Leasehold

> Real infrastructure on a lease. One HTTP call, without an account, makes a working database and answers with its connection_url.

## First call

${curlExample(baseUrl)}

- The answer's \`connection_url\` works as it stands. \`token\` is the credential for the resource: send it as X-Resource-Token, never in a URL's query.
- Send an Idempotency-Key of 16 characters or more; a retry then gets the same resource.
- Anonymous resources are deleted at \`expires_at\`. Pass \`claim_url\` on to the user, who can keep the resource with it.
- Every error has \`agent_action\`: one sentence to pass on to the user. Wait \`retry_after_seconds\` where it is not null.
- \`"dry_run": true\` checks everything and makes nothing.

## Routes

${lines.join('\n')}

## More

- [OpenAPI](${baseUrl}/openapi.json)
- [Docs](${baseUrl}/docs)
- [Plans and limits](${baseUrl}/api/v1/capabilities)
`;
}

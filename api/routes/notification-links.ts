// Where the links in a mail lead: extending the one resource, and an end to mail. Looking changes nothing, since scanners of mail look.
import { z } from 'zod';
import { escapeHtml, type MailLink, NO_TEAM, readMailLink } from '../../shared/notification';
import { formatDuration } from '../../shared/plans';
import { isInactive } from '../../shared/resourcestatus';
import { audit } from '../audit';
import { notFound } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { defineRoute, type Reply, type Route } from '../http/route';
import type { StoredResource } from '../projection/store';
import { sendCommand } from './commands';

const TAG = 'Notifications';
const PATH = '/notifications/:link';
/** Where the plan gives no time to live of its own. */
const DAY_MS = 24 * 3_600_000;
const HTML = 'text/html; charset=utf-8';
const params = z.object({ link: z.string().max(2_048).meta({ description: 'What the mail says.' }) });
const PAGE = { 200: { description: 'A page.', contentTypes: [HTML] } };

export function notificationLinkRoutes(deps: ApiDeps): Route[] {
  return [lookRoute(deps), extendRoute(deps), lookUnsubscribeRoute(deps), unsubscribeRoute(deps)];
}

/** What the link was made for must still be so: a claimed resource is its team's to extend. */
async function openLink(deps: ApiDeps, text: string): Promise<{ link: MailLink; row: StoredResource }> {
  const link = await readMailLink(deps.jwt, text);
  const row = link === null ? null : await deps.store.find({ id: link.resourceId, tokenHash: null });
  if (link === null || row === null || link.scope !== (row.team_id ?? NO_TEAM)) throw notFound();
  return { link, row };
}

/** As long as the plan gives at first, or what is left up to the plan's longest life; 0 = nothing. */
function extensionMs({ policy, created_at, expires_at }: StoredResource): number {
  if (expires_at === null) return 0;
  const wantedMs = policy.ttlMs ?? DAY_MS;
  if (policy.maxTtlMs === null) return wantedMs;
  const leftMs = created_at.getTime() + policy.maxTtlMs - expires_at.getTime();
  return leftMs < policy.minimumTtlMs ? 0 : Math.min(wantedMs, leftMs);
}

function page(title: string, body: string): Reply {
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title></head>
<body style="font-family:sans-serif;max-width:40em;margin:3em auto;line-height:1.5"><h1>${escapeHtml(title)}</h1>${body}</body></html>`;
  return { status: 200, body: html, contentType: HTML, headers: { 'X-Robots-Tag': 'noindex' } };
}

function button(action: string, label: string): string {
  return `<form method="post" action="${escapeHtml(action)}"><button>${escapeHtml(label)}</button></form>`;
}

function lookRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'notification_link',
    summary: 'The page that a mail’s link opens: what it is about, and a button to extend it',
    tag: TAG,
    access: 'public',
    params,
    answers: PAGE,
    errors: ['not_found'],
    async handle({ params: { link: text } }) {
      const { row } = await openLink(deps, text);
      const longerMs = isInactive(row.status) && row.status !== 'expired' ? 0 : extensionMs(row);
      const state = `It is ${row.status}${row.expires_at === null ? '' : `, and its time is up at ${row.expires_at.toISOString()}`}.`;
      const extend =
        longerMs === 0
          ? '<p>It cannot be extended any more.</p>'
          : button(`/notifications/${text}/extend`, `Extend it by ${formatDuration(longerMs)}`);
      return page(
        `${row.kind} "${row.name}"`,
        `<p>${escapeHtml(state)}</p>${extend}<p><a href="/notifications/${escapeHtml(text)}/unsubscribe">No more mail</a></p>`,
      );
    },
  });
}

function extendRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: `${PATH}/extend`,
    operationId: 'notification_link_extend',
    summary: 'Extend the resource that a mail is about',
    tag: TAG,
    access: 'public',
    params,
    answers: PAGE,
    errors: [
      'not_found',
      'no_expiry',
      'ttl_too_long',
      'ttl_too_short',
      'invalid_ttl',
      'resource_inactive',
      'resource_suspended',
      'resource_not_ready',
      'draining',
      'timeout',
      'provision_failed',
      'invalid_idempotency_key',
    ],
    async handle({ caller, context, params: { link: text } }) {
      const { row } = await openLink(deps, text);
      context.resourceId = row.id;
      const longerMs = extensionMs(row);
      if (longerMs === 0) return page('It cannot be extended', '<p>It has no end, or has had the longest life that its plan allows.</p>');
      // The same button pressed twice is one extension: until it is extended, it ends at the same time.
      const key = `mail-${row.expires_at?.getTime()}`;
      const header = (name: string) => (name === 'idempotency-key' ? key : undefined);
      const { found } = await sendCommand(deps, { caller, context, header }, row, { type: 'extend', ttlMs: longerMs });
      const until = found.resource.expires_at?.toISOString() ?? '';
      await audit(deps, {
        caller,
        context,
        action: 'resource.extend_by_mail',
        target: { type: 'resource', id: row.id, teamId: row.team_id },
        result: 'success',
        data: { expires_at: until },
      });
      return page('Extended', `<p>${escapeHtml(`${row.kind} "${row.name}"`)} lives until ${escapeHtml(until)} now.</p>`);
    },
  });
}

function lookUnsubscribeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: `${PATH}/unsubscribe`,
    operationId: 'notification_link_unsubscribe_page',
    summary: 'Asks whether mail shall end',
    tag: TAG,
    access: 'public',
    params,
    answers: PAGE,
    errors: ['not_found'],
    async handle({ params: { link: text } }) {
      if ((await readMailLink(deps.jwt, text)) === null) throw notFound();
      return page('No more mail?', button(`/notifications/${text}/unsubscribe`, 'No more mail to this address'));
    },
  });
}

function unsubscribeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: `${PATH}/unsubscribe`,
    operationId: 'notification_link_unsubscribe',
    summary: 'End mail to the address that the link was sent to',
    description: 'Of its team, or, for an anonymous resource, of every resource without a team. One-click as in RFC 8058.',
    tag: TAG,
    access: 'public',
    params,
    answers: PAGE,
    errors: ['not_found'],
    async handle({ caller, context, params: { link: text } }) {
      const link = await readMailLink(deps.jwt, text);
      if (link === null) throw notFound();
      await deps.notifications.optOut(link.addressId, link.scope);
      const teamId = link.scope === NO_TEAM ? null : link.scope;
      const target = { type: 'address', id: link.addressId, teamId };
      await audit(deps, { caller, context, action: 'notification.unsubscribe', target, result: 'success' });
      return page('No more mail', '<p>Nothing more is sent to this address.</p>');
    },
  });
}

// The claim page: plain HTML with one form, no script, and nothing in it that somebody else wrote unescaped.
import { createHash } from 'node:crypto';
import { escapeHtml } from '../http/html';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem;color:#1b1f24}' +
  'table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d8dee4;padding:.4rem;text-align:left}' +
  'label{display:block;margin-top:1rem}input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box}' +
  'button{font:inherit;margin-top:1.5rem;padding:.6rem 1.2rem}code,pre{font:14px ui-monospace,monospace;background:#f3f4f6}' +
  'pre{padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}.note{border-left:4px solid #bf8700;padding-left:1rem}';

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** The one style above, the one form, and nothing else. */
export const PAGE_HEADERS = {
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
};

export interface PageItem {
  kind: string | null;
  name: string | null;
  status: string | null;
  expiresAt: string | null;
  tier: string | null;
  tierAfter: string;
  /** Null = it can be claimed. */
  problem: string | null;
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><h1>${escapeHtml(title)}</h1>${body}</body></html>`;
}

function itemRow({ kind, name, status, expiresAt, tier, tierAfter, problem }: PageItem): string {
  const cells = [kind ?? '?', name ?? '?', problem ?? `${status ?? '?'}, until ${expiresAt ?? 'deleted'}`, `${tier ?? '?'} → ${tierAfter}`];
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
}

/** @param proof what the form sends on: the link's signed text, or tokens */
export function startPage(items: readonly PageItem[], proof: { name: 'jwt' | 'tokens'; value: string }): string {
  const rows = `<table><tr><th>Kind</th><th>Name</th><th>Now</th><th>Plan</th></tr>${items.map(itemRow).join('')}</table>`;
  if (items.every(({ problem }) => problem !== null)) {
    return page('There is nothing to claim', `${rows}<p class="note">A resource can be claimed once, and only while it lives.</p>`);
  }
  return page(
    'Keep what was made for you',
    `<p>Claim it, and it belongs to your team: nobody else can use the token it was made with any more. Its address and password stay the same.</p>
${rows}
<form method="post" action="/start" autocomplete="on"><input type="hidden" name="${proof.name}" value="${escapeHtml(proof.value)}">
<label>E-mail<input type="email" name="email" required maxlength="254" autocomplete="email"></label>
<label>Name of the team (may be left empty)<input type="text" name="team_name" maxlength="64" autocomplete="organization"></label>
<button type="submit">Claim</button></form>
<p>You have an account already? Then send <code>POST /claim</code> with your bearer instead, and it goes to your team.</p>`,
  );
}

export function claimedPage(facts: { teamId: string; sessionToken: string; baseUrl: string; names: string[] }): string {
  const curl = `curl -sS ${facts.baseUrl}/api/v1/resources -H 'Authorization: Bearer ${facts.sessionToken}'`;
  return page(
    'It is yours now',
    `<p>Claimed: ${facts.names.map((name) => `<strong>${escapeHtml(name)}</strong>`).join(', ')}. Team <code>${escapeHtml(facts.teamId)}</code>.</p>
<p class="note">This is your session token. It is shown this once: keep it like a password.</p><pre>${escapeHtml(facts.sessionToken)}</pre>
<p>Your resources:</p><pre>${escapeHtml(curl)}</pre>`,
  );
}

export function problemPage(message: string): string {
  return page('That did not work', `<p class="note">${escapeHtml(message)}</p>`);
}

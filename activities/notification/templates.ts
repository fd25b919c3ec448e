// What a mail says, in text and in HTML. Pure: everything that it tells comes in as an argument.
import { escapeHtml } from '../../shared/notification';

export interface MailFacts {
  /** `postgres`, as the owner wrote it: `orders`. */
  kind: string;
  name: string;
  env: string;
  event: MailEvent;
  /** Where to extend it with one button; null where that is of no use any more. */
  extendUrl: string | null;
  /** Anonymous resources: where to keep it for good. */
  claimUrl: string | null;
  resourceUrl: string;
  unsubscribeUrl: string;
}

export type MailEvent =
  | { type: 'expiring'; timeLeft: string; expiresAt: string }
  | { type: 'expired'; keptUntil: string | null }
  | { type: 'suspended'; reason: string }
  | { type: 'deleted'; reason: string };

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

interface Content {
  subject: string;
  lines: string[];
  links: { label: string; url: string }[];
}

/** `2026-11-21T18:00:00.000Z` as `2026-11-21 18:00 UTC`. */
export function readableTime(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

export function renderMail(facts: MailFacts): RenderedMail {
  const content = contentOf(facts);
  return { subject: oneLine(content.subject), text: asText(content, facts), html: asHtml(content, facts) };
}

/** A header is one line, whatever stands in a reason. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').slice(0, 200);
}

function contentOf({ kind, name, env, event, extendUrl, claimUrl, resourceUrl }: MailFacts): Content {
  const what = `${kind} "${name}"`;
  const keep = [
    ...(extendUrl === null ? [] : [{ label: 'Extend it', url: extendUrl }]),
    ...(claimUrl === null ? [] : [{ label: 'Claim it and keep it', url: claimUrl }]),
  ];
  const look = { label: 'Its state', url: resourceUrl };
  switch (event.type) {
    case 'expiring':
      return {
        subject: `${what} expires in ${event.timeLeft}`,
        lines: [
          `Your ${what} (${env}) expires in ${event.timeLeft}, at ${readableTime(event.expiresAt)}.`,
          'Nothing happens to it before then.',
        ],
        links: [...keep, look],
      };
    case 'expired':
      return {
        subject: `${what} has expired`,
        lines: [
          `Your ${what} (${env}) has expired and cannot be connected to any more.`,
          event.keptUntil === null
            ? 'It is deleted now, with its data.'
            : `Its data is kept until ${readableTime(event.keptUntil)}; extending it brings it back as it was.`,
        ],
        links: [...(event.keptUntil === null ? [] : keep), look],
      };
    case 'suspended':
      return {
        subject: `${what} was suspended`,
        lines: [`Your ${what} (${env}) was suspended by the platform and cannot be connected to.`, `Why: ${event.reason}`],
        links: [look],
      };
    case 'deleted':
      return {
        subject: `${what} was deleted`,
        lines: [`Your ${what} (${env}) was deleted, with its data and its credentials.`, `Why: ${event.reason}`],
        links: [],
      };
  }
}

function asText({ lines, links }: Content, { unsubscribeUrl }: MailFacts): string {
  const list = links.map(({ label, url }) => `${label}: ${url}`);
  return `${[...lines, ...(list.length > 0 ? ['', ...list] : []), '', '--', `No more of these mails: ${unsubscribeUrl}`].join('\n')}\n`;
}

function asHtml({ subject, lines, links }: Content, { unsubscribeUrl }: MailFacts): string {
  const anchor = (label: string, url: string) => `<a href="${escapeHtml(url)}">${escapeHtml(label)}</a>`;
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head>`,
    '<body style="font-family:sans-serif;line-height:1.5">',
    ...lines.map((line) => `<p>${escapeHtml(line)}</p>`),
    ...(links.length > 0 ? [`<p>${links.map(({ label, url }) => anchor(label, url)).join('<br>')}</p>`] : []),
    `<p style="color:#666;font-size:smaller">${anchor('No more of these mails', unsubscribeUrl)}</p>`,
    '</body></html>',
    '',
  ].join('\n');
}

// One call, hop by hop: each hop's name is resolved once, every address it has is checked, and the connection goes to a checked one.
import { Resolver } from 'node:dns/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { isCallable, parseRanges } from './addresses';

export interface EgressOptions {
  /** Ranges that may be called although they are not public. An operator's decision; default none. */
  allowedCidrs?: readonly string[];
  /** Ports that may be called. Default 80, 443, 8080, 8443: other services could take a request for their own protocol. */
  ports?: readonly number[] | 'any';
  /** All addresses of a host name. Default: what the system's name servers answer. */
  resolve?: (hostname: string) => Promise<string[]>;
  /** For the whole call, hops included. Default 10 s. */
  timeoutMs?: number;
}

export interface EgressRequest {
  url: string;
  method: string;
  headers: Readonly<Record<string, string>>;
  body?: Buffer;
  signal?: AbortSignal;
  /** Default 3. With 0 the answer is the redirect itself. */
  maxRedirects?: number;
}

export interface EgressAnswer {
  status: number;
  contentType: string | null;
  /** How many redirects were followed. */
  redirects: number;
  durationMs: number;
}

export interface Egress {
  /** @throws EgressRefused, EgressFailed */
  send(request: EgressRequest): Promise<EgressAnswer>;
}

/** The address may not be called. The message is for the tenant: it does not tell what a name resolves to. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused';
}

/** It may be called, and did not answer. */
export class EgressFailed extends Error {
  override readonly name = 'EgressFailed';
}

const DEFAULT_PORTS = [80, 443, 8080, 8443];
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_REDIRECTS = 3;
const LONGEST_URL = 2_048;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const METHOD = /^[A-Z]{1,20}$/;
const REFUSED_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK']);
/** Each hop's own. */
const HOP_HEADERS = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

export function createEgress(options: EgressOptions = {}): Egress {
  const ranges = parseRanges(options.allowedCidrs ?? []);
  const ports = options.ports ?? DEFAULT_PORTS;
  const resolve = options.resolve ?? resolveAll;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;

  const addressOf = async (url: URL): Promise<string> => {
    const host = bareHost(url);
    const addresses = isIP(host) ? [host] : await resolve(host).catch(() => []);
    const usable = addresses.length > 0 && addresses.every((address) => isCallable(address, ranges));
    const [first] = addresses.toSorted((a, b) => isIP(a) - isIP(b));
    if (!usable || first === undefined) throw new EgressRefused('the host does not resolve to public addresses alone');
    return first;
  };

  return {
    async send(request) {
      const startedAt = performance.now();
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(request.signal ? [request.signal] : [])]);
      if (!METHOD.test(request.method) || REFUSED_METHODS.has(request.method)) throw new EgressRefused(`${request.method} is not re-sent`);
      let hop: Hop = { url: checkedUrl(request.url, ports), method: request.method, headers: request.headers, body: request.body };
      const maxRedirects = request.maxRedirects ?? DEFAULT_MAX_REDIRECTS;
      for (let redirects = 0; ; redirects += 1) {
        const address = await within(addressOf(hop.url), signal);
        const answer = await exchange(hop, address, signal);
        if (!REDIRECTS.has(answer.status) || answer.location === null || maxRedirects === 0) {
          return {
            status: answer.status,
            contentType: answer.contentType,
            redirects,
            durationMs: Math.round(performance.now() - startedAt),
          };
        }
        if (redirects === maxRedirects) throw new EgressRefused(`more than ${maxRedirects} redirects`);
        hop = nextHop(hop, answer, ports);
      }
    },
  };
}

interface Hop {
  url: URL;
  method: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer | undefined;
}

function checkedUrl(text: string, ports: readonly number[] | 'any', base?: URL): URL {
  if (text.length > LONGEST_URL || !URL.canParse(text, base?.href)) throw new EgressRefused('the url cannot be read');
  const url = new URL(text, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new EgressRefused('the url must begin with https:// or http://');
  if (url.username !== '' || url.password !== '') throw new EgressRefused('the url must hold no user or password');
  if (ports !== 'any' && !ports.includes(portOf(url))) throw new EgressRefused(`port ${portOf(url)} is not one that may be called`);
  return url;
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/**
 * Asks the name servers, and not the system: its look-up takes names of hosts files and search domains too, and occupies one of few
 * threads for as long as a hostile name server wishes.
 */
async function resolveAll(hostname: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  const none = () => [];
  const [ipv4, ipv6] = await Promise.all([resolver.resolve4(hostname).catch(none), resolver.resolve6(hostname).catch(none)]);
  return [...ipv4, ...ipv6];
}

/** A look-up cannot be cancelled, only left behind. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new EgressFailed('it took too long'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

interface Answer {
  status: number;
  location: string | null;
  contentType: string | null;
}

/** Nothing is read of the body: it is not handed on, so it cannot be used to look around. */
function exchange(hop: Hop, address: string, signal: AbortSignal): Promise<Answer> {
  const { url } = hop;
  const host = bareHost(url);
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) =>
      reject(new EgressFailed(signal.aborted ? 'it took too long' : `no answer (${error.code ?? 'the connection failed'})`));
    const options: https.RequestOptions = {
      host: address,
      port: portOf(url),
      path: `${url.pathname}${url.search}`,
      method: hop.method,
      headers: { ...outgoingHeaders(hop), host: url.host },
      // One connection for one hop, to this address and no other, through no proxy.
      agent: false,
      maxHeaderSize: 16_384,
      signal,
      lookup: (_host, _options, done) => done(new Error('an address is not looked up'), ''),
      // The certificate is the named host's, not the address'.
      ...(url.protocol === 'https:' && !isIP(host) ? { servername: host } : {}),
    };
    const onResponse = (response: IncomingMessage) => {
      response.on('error', () => undefined);
      response.destroy();
      resolve({
        status: response.statusCode ?? 0,
        location: response.headers.location ?? null,
        contentType: response.headers['content-type']?.slice(0, 200) ?? null,
      });
    };
    try {
      const outgoing = url.protocol === 'https:' ? https.request(options, onResponse) : http.request(options, onResponse);
      outgoing.on('error', failed);
      outgoing.end(hop.body);
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
    }
  });
}

function outgoingHeaders(hop: Hop): Record<string, string> {
  const kept = Object.entries(hop.headers).filter(([name, value]) => !HOP_HEADERS.has(name.toLowerCase()) && isSendable(name, value));
  const headers = Object.fromEntries(kept);
  if (hop.body !== undefined && hop.body.length > 0) headers['content-length'] = String(hop.body.length);
  return headers;
}

function isSendable(name: string, value: string): boolean {
  try {
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

function nextHop(hop: Hop, answer: Answer, ports: readonly number[] | 'any'): Hop {
  const url = checkedUrl(answer.location ?? '', ports, hop.url);
  if (hop.url.protocol === 'https:' && url.protocol !== 'https:') throw new EgressRefused('a redirect from https to http is not followed');
  const keepsMethod = answer.status === 307 || answer.status === 308 || hop.method === 'GET' || hop.method === 'HEAD';
  return keepsMethod ? { ...hop, url } : { ...hop, url, method: 'GET', body: undefined };
}

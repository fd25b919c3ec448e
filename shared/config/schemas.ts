// The forms that variables have. Messages follow the variable's name and a colon, and hold no value: it may be a secret.
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

export const text = z.string().trim().min(1);

export const flag = z
  .enum(['true', 'false', '1', '0'], { error: 'must be true, false, 1 or 0' })
  .transform((given) => given === 'true' || given === '1');

export const onOff = z.enum(['on', 'off'], { error: 'must be on or off' }).transform((given) => given === 'on');

export const port = whole(0, 65_535, 'is not a port: give a number from 0 to 65535');

/** A whole number. */
export function whole(minimum: number, maximum: number, error = `must be a whole number from ${minimum} to ${maximum}`) {
  return z
    .string()
    .trim()
    .regex(/^-?\d+$/, { error })
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, { error });
}

export function decimal(minimum: number, maximum: number) {
  const error = `must be a number from ${minimum} to ${maximum}`;
  return z
    .string()
    .trim()
    .regex(/^-?\d+(\.\d+)?$/, { error })
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, { error });
}

export const httpUrl = z
  .string()
  .trim()
  .pipe(z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }))
  .transform((given) => given.replace(/\/+$/, ''));

/** Separated by commas; empty entries do not count. */
export const list = z.string().transform((given) =>
  given
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

export const cidrs = list.refine((parts) => parts.every((part) => ipaddr.isValidCIDR(part)), {
  error: 'must be a list of CIDR ranges, separated by commas',
});

const PROXY_NAMES = new Set(['loopback', 'linklocal', 'uniquelocal']);

export const proxies = list.refine(
  (parts) => parts.every((part) => PROXY_NAMES.has(part) || ipaddr.isValid(part) || ipaddr.isValidCIDR(part)),
  { error: 'must be a list of addresses or CIDR ranges, separated by commas' },
);

export const hostAndPort = text.regex(/^\S+:\d{1,5}$/, { error: 'must be host:port' });

/** A url with credentials in it: the message must not repeat any of it. */
export function urlOf(...schemes: string[]) {
  return text.refine((given) => schemes.some((scheme) => given.startsWith(`${scheme}://`)), {
    error: `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });
}

export const postgresUrl = urlOf('postgres', 'postgresql');

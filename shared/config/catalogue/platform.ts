// Variables: where we listen, where things are kept, and secrets.
import { z } from 'zod';
import { decimal, flag, httpUrl, onOff, port, proxies, text, whole } from '../schemas';
import { variables } from '../types';

export const LISTENING = variables({
  PORT: { doc: 'port of the api', schema: port, default: '8080', readBy: ['stack', 'api'] },
  LEASEHOLD_HOST: {
    doc: 'address the api listens on; `0.0.0.0` for all. Put TLS in front before you do',
    schema: text,
    default: '127.0.0.1',
    readBy: ['stack', 'api'],
  },
  LEASEHOLD_BASE_URL: {
    doc: 'the url by which callers reach the api; stands in links and in the OpenAPI document',
    schema: httpUrl,
    defaultDoc: '`APP_URL`, else `http://<host>:<PORT>`',
    readBy: ['stack', 'api', 'receiver', 'worker'],
  },
  APP_URL: {
    doc: 'what platforms call the public url of an application; used when `LEASEHOLD_BASE_URL` is not set',
    schema: httpUrl,
    readBy: ['stack', 'api', 'receiver', 'worker'],
  },
  LEASEHOLD_UPGRADE_URL: {
    doc: 'where a caller who meets a limit can buy a larger plan',
    schema: httpUrl,
    defaultDoc: '`<base url>/docs#plans`',
    readBy: ['api'],
  },
  LEASEHOLD_CONTACT: {
    doc: 'whom callers can turn to, for instance in `security.txt`',
    schema: text.regex(/^(mailto:|https:\/\/)\S+$/, { error: 'must start with mailto: or https://' }),
    defaultDoc: '`<base url>/docs`',
    readBy: ['api'],
  },
  LEASEHOLD_TRUSTED_PROXIES: {
    doc: 'addresses or CIDR ranges, separated by commas, whose `X-Forwarded-For` is believed; also `loopback`, `linklocal`, `uniquelocal`',
    schema: proxies,
    default: '',
    readBy: ['api'],
  },
  LEASEHOLD_LOOPBACK_EXEMPT: {
    doc: 'whether callers on the loopback address are exempt from the daily limit',
    schema: flag,
    default: 'true',
    readBy: ['api'],
  },
  LEASEHOLD_REQUESTS_PER_MINUTE: {
    doc: 'for load tests: in place of the rates of plans.yaml that count requests, provisions, presigned urls and minted credentials',
    schema: whole(1, 10_000_000),
    defaultDoc: 'as plans.yaml says',
    unit: 'requests a minute',
    readBy: ['api'],
  },
});

export const PLACES = variables({
  LEASEHOLD_HOME: {
    doc: 'data, logs, secrets and state of the embedded stack. One supervisor a home',
    schema: text,
    default: '.leasehold',
    readBy: ['stack'],
  },
  LEASEHOLD_CACHE: {
    doc: 'what was downloaded. May be shared by several homes; `reset` keeps it',
    schema: text,
    defaultDoc: '`$LEASEHOLD_HOME/cache`',
    readBy: ['stack', 'tool'],
  },
  LEASEHOLD_PLANS: { doc: 'the plans', schema: text, default: 'plans.yaml', readBy: ['stack', 'api', 'worker', 'host'] },
  LEASEHOLD_BACKENDS: { doc: 'the backends', schema: text, default: 'backends.yaml', readBy: ['stack', 'api', 'worker', 'host'] },
  LEASEHOLD_LOG: {
    doc: 'log level: `error`, `warn`, `info`, `debug`',
    schema: z.enum(['error', 'warn', 'info', 'debug'], { error: 'must be error, warn, info or debug' }),
    default: 'info',
    readBy: ['stack', 'api', 'worker', 'host', 'receiver', 'relay'],
  },
});

const keyList = z.string().trim().min(1);
const longEnough = z.string().trim().min(16, { error: 'must have 16 characters or more' });

export const SECRETS = variables({
  LEASEHOLD_KEYRING: {
    doc: '`k2:<base64 of 32 bytes>,k1:<...>`: encrypts stored credentials. The first key encrypts, all of them decrypt: put a new key in front and keep the old ones',
    schema: keyList,
    defaultDoc: 'generated',
    readBy: ['stack', 'api', 'worker', 'host'],
    requiredBy: ['api', 'worker', 'host'],
    secret: true,
  },
  LEASEHOLD_JWT_KEYS: {
    doc: '`j1:<base64 of 32 bytes>`: signs session tokens; the same rule, so that sessions survive a new key',
    schema: keyList,
    defaultDoc: 'generated',
    readBy: ['stack', 'api', 'worker'],
    requiredBy: ['api'],
    secret: true,
  },
  LEASEHOLD_BOOTSTRAP_API_KEY: {
    doc: '`lh_` + 40 of `a-z2-7`: the first api key. Printed once, at the first start',
    schema: longEnough,
    defaultDoc: 'generated',
    readBy: ['stack', 'api'],
    secret: true,
  },
  LEASEHOLD_BOOTSTRAP_TIER: { doc: 'plan of the team that has the first api key', schema: text, default: 'pro', readBy: ['api'] },
  LEASEHOLD_OPERATOR_KEY: {
    doc: '`lhop_` + 40 of `a-z2-7`: opens the operator routes. Printed once, at the first start',
    schema: longEnough,
    defaultDoc: 'generated',
    readBy: ['stack', 'api'],
    secret: true,
  },
  LEASEHOLD_INSTALLATION_ID: {
    doc: '8 of `a-z2-7`: prefix of every object made on a backend; what has another prefix is never touched. **Never change it**: the objects made before would no longer be ours',
    schema: text.regex(/^[a-z2-7]{8}$/, { error: 'must be 8 characters of a-z2-7' }),
    defaultDoc: 'generated',
    readBy: ['stack', 'worker', 'host'],
    requiredBy: ['worker', 'host'],
  },
});

export const CODEC = variables({
  LEASEHOLD_PAYLOAD_CODEC: {
    doc: '`on`: what Temporal stores is encrypted with the keyring. May be switched at any time, on every process: both kinds are read',
    schema: onOff,
    default: 'off',
    readBy: ['stack', 'api', 'worker', 'host'],
  },
  LEASEHOLD_CODEC_ORIGIN: {
    doc: 'where browsers show the Temporal UI, as they name it (`https://temporal.example.com`): the one origin that may call `/codec`',
    schema: httpUrl,
    defaultDoc: 'the origin of `LEASEHOLD_TEMPORAL_UI_URL`',
    readBy: ['api'],
  },
});

export const IDENTITY = variables({
  LEASEHOLD_SESSION_HOURS: {
    doc: 'how long a session lives',
    schema: decimal(0.01, 8760),
    default: '720',
    unit: 'hours',
    readBy: ['api'],
  },
  LEASEHOLD_OIDC_ISSUERS: {
    doc: 'issuers whose tokens are taken: `<issuer>|<audience>,...`, or a JSON array (signin.md)',
    schema: text,
    readBy: ['api'],
  },
});

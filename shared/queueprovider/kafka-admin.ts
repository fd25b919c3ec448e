// How the platform is let into a Kafka cluster: one url, which the stack or an operator writes and the worker reads.
export interface KafkaBroker {
  host: string;
  port: number;
}

const MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'] as const;
/** By which the platform logs in; tenants always use SCRAM-SHA-512. */
export type KafkaMechanism = (typeof MECHANISMS)[number];

export interface KafkaAdmin {
  username: string;
  password: string;
  /** Any of them leads to the rest. */
  brokers: KafkaBroker[];
  /** Where tenants begin, when that is another listener. */
  tenantBrokers: KafkaBroker[];
  mechanism: KafkaMechanism;
  tls: boolean;
}

const USUAL_PORT = 9092;

export function formatKafkaBrokers(brokers: readonly KafkaBroker[]): string {
  return brokers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
}

/** The secret is in the password: what shows a url to people leaves that out. */
export function formatKafkaAdminUrl({ username, password, brokers, tenantBrokers, mechanism, tls }: KafkaAdmin): string {
  const [first = { host: '', port: USUAL_PORT }, ...others] = brokers;
  const url = new URL(`kafka://${formatKafkaBrokers([first])}`);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  url.searchParams.set('mechanism', mechanism.toLowerCase());
  url.searchParams.set('tls', tls ? 'on' : 'off');
  if (others.length > 0) url.searchParams.set('brokers', formatKafkaBrokers(others));
  if (tenantBrokers.length > 0) url.searchParams.set('tenant_brokers', formatKafkaBrokers(tenantBrokers));
  return url.href;
}

/** @throws Error with the remedy, and without the url: it is a secret */
export function parseKafkaAdminUrl(text: string): KafkaAdmin {
  if (!URL.canParse(text)) throw new Error('the admin url cannot be read');
  const url = new URL(text);
  if (url.protocol !== 'kafka:' || url.hostname === '') throw new Error('the admin url must be kafka://user:password@host:port');
  const username = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  if (username === '' || password === '') throw new Error('the admin url needs the user and the password of a super user');
  return {
    username,
    password,
    brokers: [{ host: bare(url.hostname), port: Number(url.port || USUAL_PORT) }, ...brokersIn(url, 'brokers')],
    tenantBrokers: brokersIn(url, 'tenant_brokers'),
    mechanism: mechanismIn(url),
    tls: tlsIn(url),
  };
}

function mechanismIn(url: URL): KafkaMechanism {
  const given = (url.searchParams.get('mechanism') ?? 'scram-sha-512').toUpperCase();
  const known = MECHANISMS.find((mechanism) => mechanism === given);
  if (known === undefined) throw new Error(`the admin url's mechanism must be one of ${MECHANISMS.join(', ').toLowerCase()}`);
  return known;
}

function tlsIn(url: URL): boolean {
  const given = url.searchParams.get('tls') ?? 'off';
  if (given !== 'on' && given !== 'off') throw new Error("the admin url's tls must be on or off");
  return given === 'on';
}

function brokersIn(url: URL, name: string): KafkaBroker[] {
  return (url.searchParams.get(name) ?? '')
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const place = URL.canParse(`kafka://${part}`) ? new URL(`kafka://${part}`) : null;
      if (place === null || place.hostname === '') throw new Error(`the admin url's ${name} must be host:port,host:port`);
      return { host: bare(place.hostname), port: Number(place.port || USUAL_PORT) };
    });
}

function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

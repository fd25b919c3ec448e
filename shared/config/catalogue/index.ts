// Every environment variable there is, in the groups and the order in which docs/configuration.md shows them.
import type { Variable, Variables } from '../types';
import { EVENTS } from './events';
import { NOTICES } from './notices';
import { COMPOSE, TOOLS } from './outside';
import { CODEC, IDENTITY, LISTENING, PLACES, SECRETS } from './platform';
import { KINDS, PROCESSES, SERVERS, WEBHOOKS } from './servers';
import { TRACES } from './telemetry';

export interface Group {
  title: string;
  /** Stands above the table in the docs. */
  intro?: string;
  variables: Variables;
}

export const GROUPS: readonly Group[] = [
  { title: 'Where it listens', variables: LISTENING },
  { title: 'Where things are kept', intro: "Relative paths are relative to the package's folder.", variables: PLACES },
  {
    title: 'Secrets',
    intro:
      'Generated on the first start into `$LEASEHOLD_HOME/secrets.json` (mode 0600); a variable wins over the file and is never written to it. **Back the file up with the data**: without the keyring no stored credential can be read. The passwords of the embedded Postgres roles are in the same file and have no variables.',
    variables: SECRETS,
  },
  { title: 'Temporal payloads', intro: 'See [operate/codec.md](operate/codec.md).', variables: CODEC },
  { title: 'People and sessions', variables: IDENTITY },
  {
    title: 'Servers that somebody else runs',
    intro: 'What is given here is not embedded: it is used, listed by `status`, and never started, stopped or reset.',
    variables: SERVERS,
  },
  {
    title: 'Kinds',
    intro:
      '`npm start` brings up what every kind needs, each server from its variable, else from PATH, else fetched once into the cache. A server that cannot be had says so in one line with the remedy; its kind answers 503 `service_disabled`, everything else works.',
    variables: KINDS,
  },
  { title: 'Webhooks', variables: WEBHOOKS },
  { title: 'Notices', variables: NOTICES },
  { title: 'Events', variables: EVENTS },
  { title: 'Processes', variables: PROCESSES },
  { title: 'Traces', intro: 'OpenTelemetry: see [decisions/tracing.md](decisions/tracing.md).', variables: TRACES },
  { title: 'temporal-compose.yml only', intro: 'Url-safe passwords: `openssl rand -hex 24`.', variables: COMPOSE },
  { title: 'Commands beside the product', variables: TOOLS },
];

export const CATALOGUE = {
  ...LISTENING,
  ...PLACES,
  ...SECRETS,
  ...CODEC,
  ...IDENTITY,
  ...SERVERS,
  ...KINDS,
  ...WEBHOOKS,
  ...NOTICES,
  ...EVENTS,
  ...PROCESSES,
  ...TRACES,
  ...COMPOSE,
  ...TOOLS,
};

export type VariableName = keyof typeof CATALOGUE;

export function variableOf(name: string): Variable | undefined {
  return Object.hasOwn(CATALOGUE, name) ? (CATALOGUE as Variables)[name] : undefined;
}

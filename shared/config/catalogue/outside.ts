// Variables that none of our processes reads: what temporal-compose.yml puts together, and what commands beside the product take.
import { text } from '../schemas';
import { type Variable, variables } from '../types';

const password = (doc: string) => ({ doc, schema: text, readBy: ['compose'], secret: true }) as const satisfies Variable;

export const COMPOSE = variables({
  LEASEHOLD_ROOT_PASSWORD: password("superuser of the platform's Postgres"),
  LEASEHOLD_OWNER_PASSWORD: password('role `leasehold_owner`, url-safe'),
  LEASEHOLD_APP_PASSWORD: password('role `leasehold_app`, url-safe'),
  LEASEHOLD_TENANTS_PASSWORD: password("role `leasehold_admin` of the tenants' Postgres, url-safe"),
  LEASEHOLD_INBOX_PASSWORD: password('role `leasehold_inbox`, url-safe'),
  LEASEHOLD_REDIS_PASSWORD: password("the platform's Redis, url-safe"),
  LEASEHOLD_REDIS_TENANTS_PASSWORD: password("the tenants' Redis, url-safe"),
  LEASEHOLD_MONGODB_PASSWORD: password("MongoDB's root user, url-safe"),
  LEASEHOLD_STORAGE_SECRET: password("secret key of the object store's admin, url-safe"),
  LEASEHOLD_STORAGE_SIGNING_KEY: password('48 random hex characters: tokens between the parts of the object store'),
  LEASEHOLD_TENANTS_HOST: {
    doc: "public host name of the tenants' servers; `redis.`, `mongodb.`, `queue.` and `s3.` of it must resolve too",
    schema: text,
    readBy: ['compose'],
  },
  LEASEHOLD_TENANTS_BIND: { doc: "address that the tenants' servers listen on", schema: text, default: '127.0.0.1', readBy: ['compose'] },
  LEASEHOLD_VERSION: { doc: 'tag of our image', schema: text, default: 'latest', readBy: ['compose'] },
  NATS_OPERATOR_TOKEN: { doc: 'printed by `dist/stack/processes/nats-keys.js`', schema: text, readBy: ['compose'] },
  NATS_OPERATOR_SIGNING_SEED: password('printed by the same command'),
  NATS_SYSTEM_ACCOUNT: { doc: 'printed by the same command', schema: text, readBy: ['compose'] },
  NATS_SYSTEM_TOKEN: { doc: 'printed by the same command', schema: text, readBy: ['compose'] },
  NATS_SYSTEM_SIGNING_SEED: password('printed by the same command'),
  NATS_PLATFORM_ACCOUNT: { doc: 'printed by the same command', schema: text, readBy: ['compose'] },
  NATS_PLATFORM_TOKEN: { doc: 'printed by the same command', schema: text, readBy: ['compose'] },
  TEMPORAL_DB_PASSWORD: password("Temporal's own database"),
  TEMPORAL_VERSION: { doc: 'tag of the Temporal server', schema: text, defaultDoc: 'in the file', readBy: ['compose'] },
  TEMPORAL_ADMINTOOLS_VERSION: { doc: "tag of Temporal's admin tools", schema: text, defaultDoc: 'in the file', readBy: ['compose'] },
  TEMPORAL_UI_VERSION: { doc: 'tag of the Temporal UI', schema: text, defaultDoc: 'in the file', readBy: ['compose'] },
});

export const TOOLS = variables({
  LEASEHOLD_COMMIT: { doc: 'commit that a build without git history is stamped with', schema: text, readBy: ['tool'] },
  LEASEHOLD_DEMO_URL: { doc: '`npm run demo` against an installation that runs', schema: text, readBy: ['tool'] },
});

// Looks for live secrets wherever they do not belong.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from '../harness/stack';

const TABLES = ['resource_events', 'outbox_events', 'audit_logs', 'usage_samples'];

export interface Places {
  temporal: Buffer;
  logs: Buffer;
  tables: Buffer;
}

/** What each secret may look like: as it is, and as base64 in an outer encoding. */
function forms(secret: string): string[] {
  return [secret, Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -2)];
}

/** Keys are `id:material`, perhaps several; the material is what is secret. */
function materialOf(keys: string): string[] {
  return keys.split(',').map((key) => key.slice(key.indexOf(':') + 1));
}

async function readPlaces(stack: Stack): Promise<Places> {
  const read = (folder: string, files: string[]) =>
    Buffer.concat(
      files.map((file) => join(stack.home, folder, file)).map((path) => (existsSync(path) ? readFileSync(path) : Buffer.alloc(0))),
    );
  const rows: string[] = [];
  for (const table of TABLES) {
    for (const row of await stack.platform<{ text: string }>(`SELECT to_jsonb(t)::text AS text FROM ${table} t`)) rows.push(row.text);
  }
  return {
    // The log first: what is moved into the database meanwhile is seen there, and would be in neither the other way round.
    temporal: read('temporal', ['temporal.db-wal', 'temporal.db']),
    logs: Buffer.concat([
      read('logs', readdirSync(join(stack.home, 'logs'))),
      Buffer.from(stack.output.replace(/^ {2}(api|operator) key .*$/gm, '')),
    ]),
    tables: Buffer.from(rows.join('\n')),
  };
}

export async function findSecrets(stack: Stack, known: { workflowId: string; inPayload: string; resourceId: string }) {
  const places = await readPlaces(stack);
  const { secrets } = stack;
  const live: [string, string][] = [
    ...[...stack.told].map((secret): [string, string] => ['told to a caller', secret]),
    ['bootstrap api key', secrets.bootstrapApiKey],
    ['operator key', secrets.operatorKey],
    ...materialOf(secrets.keyring).map((key): [string, string] => ['keyring', key]),
    ...materialOf(secrets.jwtKeys).map((key): [string, string] => ['jwt keys', key]),
    ['platform database', secrets.postgresPlatformApp],
    ['platform database', secrets.postgresPlatformOwner],
    ['platform database', secrets.postgresPlatformRoot],
    ['tenants server', secrets.postgresTenantsAdmin],
    ['redis', secrets.redisPlatform],
    ['webhook inbox', secrets.webhookInbox],
  ];
  const found: string[] = [];
  for (const [place, content] of Object.entries(places)) {
    for (const [what, secret] of live) {
      if (forms(secret).some((form) => content.includes(form))) found.push(`${what} (${secret.slice(0, 8)}…) in ${place}`);
    }
  }
  const controls = {
    workflowIdInTemporal: places.temporal.includes(known.workflowId),
    payloadInTemporal: places.temporal.includes(known.inPayload),
    resourceIdInLogs: places.logs.includes(known.resourceId),
    resourceIdInTables: places.tables.includes(known.resourceId),
  };
  return { found, controls };
}

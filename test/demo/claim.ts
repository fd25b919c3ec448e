// `npm run demo -- claim`: an anonymous database becomes a team's, and everything that should follow is looked at where it shows.
import { Connection, Client as TemporalClient } from '@temporalio/client';
import pg from 'pg';
import { productPlans, startBenchStack } from '../../bench/stack';

const say = (line: string) => process.stdout.write(`${line}\n`);

interface Body {
  [field: string]: unknown;
  lifecycle: { workflow_id: string; next_step: string; next_step_at: string; ui_url: string };
}

function expectSame(what: string, seen: unknown, wanted: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(wanted)) throw new Error(`${what} is ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`);
  say(`${what.padEnd(58)} ${String(seen)}`);
}

export async function demoClaim(): Promise<void> {
  const stack = await startBenchStack({ plans: productPlans(), env: { LEASEHOLD_KINDS: 'postgres' } });
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const platform = new pg.Client({ connectionString: stack.platformUrl });
  await platform.connect();
  try {
    say(`a fresh stack is ready on ${stack.apiUrl}`);
    await claim(stack.apiUrl, new TemporalClient({ connection, namespace: stack.namespace }), platform);
  } finally {
    await platform.end();
    await connection.close();
    await stack.stop();
  }
}

async function claim(apiUrl: string, temporal: TemporalClient, platform: pg.Client): Promise<void> {
  const call = async (method: string, path: string, headers: Record<string, string> = {}, body?: object) => {
    const json: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await fetch(`${apiUrl}${path}`, { method, headers: { ...headers, ...json }, body: JSON.stringify(body) });
    return { status: answer.status, body: (await answer.json()) as Body };
  };
  const made = (await call('POST', '/db/new', {}, { name: 'claimed later' })).body;
  const path = `/api/v1/resources/${made.id}`;
  const token = { 'x-resource-token': String(made.token) };
  say(`POST /db/new without an account made ${made.id}`);
  await query(String(made.connection_url), 'CREATE TABLE kept (value text); INSERT INTO kept VALUES ($$before the claim$$)');
  const before = (await call('GET', path, token)).body;
  expectSame('its plan before', before.tier, 'anonymous');
  say(`its next step before: ${before.lifecycle.next_step} at ${before.lifecycle.next_step_at}`);

  const preview = (await call('GET', `/claim/preview?t=${made.upgrade_jwt}`)).body.items as { claimable: boolean; tier_after: string }[];
  expectSame('the preview says that it can be claimed, for', [preview[0]?.claimable, preview[0]?.tier_after], [true, 'free']);
  const claimed = await call('POST', '/claim', {}, { jwt: made.upgrade_jwt, email: 'ada@example.com', team_name: 'Ada' });
  expectSame('POST /claim answers', claimed.status, 201);
  const again = await call('POST', '/claim', {}, { jwt: made.upgrade_jwt, email: 'eve@example.com' });
  expectSame('a second claim is refused', `${again.status} ${again.body.error}`, '409 already_claimed');

  const teamId = String(claimed.body.team_id);
  const after = (await call('GET', path, { authorization: `Bearer ${claimed.body.session_token}` })).body;
  expectSame('the same resource, its plan now', [after.id, after.tier], [made.id, 'free']);
  expectSame('the former token', (await call('GET', path, token)).status, 401);
  const [armedFrom, armedTo] = [Date.parse(before.lifecycle.next_step_at), Date.parse(after.lifecycle.next_step_at)];
  if (!(Date.parse(String(after.expires_at)) > Date.parse(String(before.expires_at)) && armedTo > armedFrom))
    throw new Error('the lease is the old one');
  say(`expires_at ${before.expires_at} -> ${after.expires_at}; next step ${after.lifecycle.next_step} at ${after.lifecycle.next_step_at}`);

  const { searchAttributes, memo } = await temporal.workflow.getHandle(after.lifecycle.workflow_id).describe();
  expectSame('Temporal shows TeamId and Tier', [searchAttributes.TeamId?.[0], searchAttributes.Tier?.[0]], [teamId, 'free']);
  say(`Temporal's memo: ${JSON.stringify(memo)}\n  ${after.lifecycle.ui_url}`);
  const { rows } = await platform.query(
    'SELECT action, actor_type, result, team_id, correlation_id FROM audit_logs WHERE target_id = $1 ORDER BY id',
    [made.id],
  );
  const line = rows.find(({ action }) => action === 'resource.claimed');
  expectSame('the audit log has it', [line?.actor_type, line?.result, line?.team_id], ['anonymous', 'success', teamId]);
  const values = await query(String(made.connection_url), 'SELECT value FROM kept');
  expectSame('the same connection_url still finds', values[0]?.value, 'before the claim');
}

async function query(connectionString: string, text: string): Promise<{ value?: string }[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<{ value: string }>(text)).rows ?? [];
  } finally {
    await client.end();
  }
}

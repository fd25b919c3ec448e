// One key from a hundred clients while the api is killed and Redis is down; after the orchestrator has forgotten; after a plan was raised.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Connection } from '@temporalio/client';
import type { Answer, CallOptions } from '../harness/http';
import { Stack, until } from '../harness/stack';

const TEAM_KEY = 'api-key-of-the-idempotency-test';
/** Nobody listens there: what leans on Redis must do without. */
const NO_REDIS = 'redis://127.0.0.1:9/0';
const stack = new Stack({
  LEASEHOLD_KINDS: 'postgres',
  LEASEHOLD_REDIS_URL: NO_REDIS,
  LEASEHOLD_BOOTSTRAP_API_KEY: TEAM_KEY,
  LEASEHOLD_BOOTSTRAP_TIER: 'free',
});
beforeAll(() => stack.start());
afterAll(() => stack.dispose());

/** As a client that repeats its request until it has an answer that is no failure of ours, and no "later". */
async function insist(route: string, options: CallOptions): Promise<Answer> {
  return await until(
    `an answer to ${route}`,
    async () => {
      const answer = await stack.call(route, options).catch(() => null);
      return answer !== null && answer.status < 500 && answer.status !== 202 ? answer : null;
    },
    { timeoutMs: 120_000, everyMs: 200 },
  );
}

const keyed = (key: string, headers: Record<string, string> = {}) => ({ 'idempotency-key': key, ...headers });
const rowsNamed = (name: string) =>
  stack.platform<{ id: string; status: string }>('SELECT id, status FROM resources WHERE name = $1', [name]);
const withoutRequest = ({ body }: Answer) =>
  JSON.stringify({ ...body, request_id: undefined, upgrade_jwt: undefined, claim_url: undefined, note: undefined, upgrade: undefined });

/** As retention does it, a month earlier. */
async function forget(workflowId: string): Promise<void> {
  const connection = await Connection.connect({ address: `127.0.0.1:${stack.ports.temporal}` });
  const of = { namespace: 'leasehold', execution: { workflowId } };
  try {
    await connection.workflowService.deleteWorkflowExecution({ namespace: of.namespace, workflowExecution: of.execution });
    await until('it is forgotten', () =>
      connection.workflowService.describeWorkflowExecution(of).then(
        () => false,
        () => true,
      ),
    );
  } finally {
    await connection.close();
  }
}

describe('one Idempotency-Key, Redis down', () => {
  it('from a hundred clients while the api is killed makes one resource and a hundred equal answers', async () => {
    const options = { body: { name: 'hundred' }, headers: keyed(`hundred-${crypto.randomUUID()}`) };
    const asking = Array.from({ length: 100 }, () => insist('POST /db/new', options));
    await sleep(150);
    stack.killHard('api');
    await stack.isBack('api', 1);
    stack.killHard('api');
    await stack.isBack('api', 2);
    const answers = await Promise.all(asking);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(withoutRequest)).size).toBe(1);
    expect((await rowsNamed('hundred')).filter(({ status }) => status !== 'failed')).toHaveLength(1);
  });

  it('gives the same rotation to everybody, also across a kill', async () => {
    const made = (await insist('POST /db/new', { body: { name: 'rotated' } })).body;
    const options = { body: {}, headers: keyed(`rotate-${crypto.randomUUID()}`, { 'x-resource-token': made.token }) };
    const route = `POST /api/v1/resources/${made.id}/rotate-credentials`;
    const asking = Array.from({ length: 30 }, () => insist(route, options));
    await sleep(100);
    stack.killHard('api');
    await stack.isBack('api', 3);
    const answers = await Promise.all(asking);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.connection_url)).size).toBe(1);
    const [row] = await stack.platform<{ credential_version: number }>('SELECT credential_version FROM resources WHERE id = $1', [made.id]);
    expect(row?.credential_version).toBe(2);
    const again = await insist(route, options);
    expect(again.headers['x-idempotent-replay']).toBe('true');
    const other = await insist(`POST /api/v1/resources/${made.id}/pause`, options);
    expect(other).toMatchObject({ status: 422, body: { error: 'idempotency_key_reuse' } });
  });

  it('gives the resource also when the orchestrator has forgotten its workflow', async () => {
    const options = { body: { name: 'forgotten' }, headers: keyed(`forgotten-${crypto.randomUUID()}`) };
    const first = await insist('POST /db/new', options);
    await forget(`resource/${first.body.id}`);
    const again = await insist('POST /db/new', options);
    expect(again).toMatchObject({ status: 201, body: { id: first.body.id, connection_url: first.body.connection_url } });
    expect(again.headers['x-idempotent-replay']).toBe('true');
    expect(await rowsNamed('forgotten')).toHaveLength(1);
  });

  it('another body is 422; the same key of a team is another key', async () => {
    const headers = keyed(`scopes-${crypto.randomUUID()}`);
    const anonymous = await insist('POST /db/new', { body: { name: 'scope a' }, headers });
    expect(await insist('POST /db/new', { body: { name: 'scope b' }, headers })).toMatchObject({ status: 422 });
    const team = await insist('POST /db/new', { body: { name: 'scope b' }, headers: { ...headers, authorization: `Bearer ${TEAM_KEY}` } });
    expect(team.status).toBe(201);
    expect(team.body.id).not.toBe(anonymous.body.id);
  });

  it('succeeds under the same key once the plan that refused it was raised', async () => {
    const authorization = `Bearer ${TEAM_KEY}`;
    let refused: { options: CallOptions; answer: Answer } | null = null;
    for (let index = 0; refused === null && index < 4; index += 1) {
      const options = { body: { name: `plan ${index}` }, headers: keyed(`plan-${index}-${crypto.randomUUID()}`, { authorization }) };
      const answer = await insist('POST /db/new', options);
      if (answer.status === 402) refused = { options, answer };
    }
    if (refused === null) throw new Error('nothing was refused');
    expect(refused.answer.body.error).toBe('postgres_limit_reached');
    await stack.platform(`UPDATE teams SET tier = 'pro' WHERE name = 'bootstrap'`);
    const options = refused.options;
    const raised = await until('the raised plan', async () => {
      const answer = await insist('POST /db/new', options);
      return answer.status === 201 ? answer : null;
    });
    expect((await insist('POST /db/new', options)).body.id).toBe(raised.body.id);
  });
});

// What is measured: bare SQL, the bare engine, and POST /db/new. Each has a way to make one thing, and one to remove what it made.
import { randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import { bundleWorkflowCode } from '@temporalio/worker';
import pg from 'pg';
import { startOwnProcess, stopOwnProcess } from '../stack/own-process';
import { packageRoot } from '../stack/paths';
import { ENGINE_TASK_QUEUE, ENGINE_WORKFLOW_TYPE, type EngineShape, engineReadyUpdate } from './engine/messages';
import type { Call } from './load';
import type { BenchStack } from './stack';

export interface Subject {
  make: Call;
  /** Outside the measured time. */
  removeAll: () => Promise<void>;
  close: () => Promise<void>;
}

/** One connection a client, as whoever would do it by hand: a role, a database of its own. No password, so that nothing but the two is paid for. */
export async function rawSubject(stack: BenchStack, clients: number): Promise<Subject> {
  const connections = await Promise.all(
    Array.from({ length: clients }, async () => {
      const connection = new pg.Client({ connectionString: stack.tenantsAdminUrl, application_name: 'bench-raw' });
      await connection.connect();
      return connection;
    }),
  );
  let made: string[] = [];
  return {
    async make(client) {
      const name = `bench_${randomBytes(12).toString('hex')}`;
      made.push(name);
      const connection = connections[client] as pg.Client;
      await connection.query(`CREATE ROLE ${name} LOGIN`);
      await connection.query(`CREATE DATABASE ${name} OWNER ${name}`);
    },
    async removeAll() {
      const names = made;
      made = [];
      await Promise.all(
        connections.map(async (connection) => {
          for (let name = names.pop(); name !== undefined; name = names.pop()) {
            await connection.query(`DROP DATABASE ${name}`);
            await connection.query(`DROP ROLE ${name}`);
          }
        }),
      );
    },
    async close() {
      await Promise.all(connections.map((connection) => connection.end()));
    },
  };
}

const QUIET = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error };

export async function engineSubject(stack: BenchStack, client: Client, shape: EngineShape): Promise<Subject & { pid: number }> {
  const { code } = await bundleWorkflowCode({ workflowsPath: require.resolve('./engine/workflow'), logger: QUIET });
  const bundle = join(stack.dir, 'engine-bundle.js');
  writeFileSync(bundle, code);
  const script = join(stack.dir, 'engine-worker.js');
  const worker = require.resolve('./engine/worker');
  const args = ['node', worker, stack.temporalAddress, stack.namespace, bundle];
  writeFileSync(script, `process.argv = ${JSON.stringify(args)};\nrequire(${JSON.stringify(worker)});\n`);
  const { launched } = await startOwnProcess({
    name: 'engine worker',
    script,
    env: process.env,
    cwd: packageRoot(),
    logFile: join(stack.dir, 'engine-worker.log'),
    onLaunched: () => undefined,
  });
  let made: string[] = [];
  return {
    async make() {
      const workflowId = `bench/${randomUUID()}`;
      made.push(workflowId);
      const startWorkflowOperation = new WithStartWorkflowOperation(ENGINE_WORKFLOW_TYPE, {
        workflowId,
        taskQueue: ENGINE_TASK_QUEUE,
        args: [shape],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      });
      await client.workflow.executeUpdateWithStart(engineReadyUpdate, { updateId: 'ready', startWorkflowOperation });
    },
    async removeAll() {
      const ids = made;
      made = [];
      await Promise.all(ids.map((id) => client.workflow.getHandle(id).terminate('bench')));
    },
    pid: launched.identity.pid,
    close: () => stopOwnProcess(launched.identity, 5_000),
  };
}

export interface Provisioned {
  id: string;
  token: string;
  connectionUrl: string;
}

export interface ApiSubject extends Subject {
  /** What was made and not yet removed. */
  made: Provisioned[];
}

/** POST /db/new as an anonymous caller over connections that are kept; removal is DELETE, and the rows say when it is done. */
export function apiSubject(stack: BenchStack, platform: pg.Pool, options: { distinctCallers: boolean }): ApiSubject {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const made: Provisioned[] = [];
  const call = (method: string, path: string, headers: Record<string, string>, body?: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = request(`${stack.apiUrl}${path}`, { method, agent, headers }, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          text += chunk;
        });
        incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
        incoming.once('error', reject);
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  const body = JSON.stringify({ name: 'bench' });
  return {
    made,
    async make(client) {
      const headers: Record<string, string> = { 'content-type': 'application/json', 'content-length': String(body.length) };
      if (options.distinctCallers) headers['x-forwarded-for'] = `203.0.${client}.7`;
      const answer = await call('POST', '/db/new', headers, body);
      if (answer.status !== 201) throw new Error(`POST /db/new answered ${answer.status}: ${answer.text.slice(0, 300)}`);
      const { id, token, connection_url } = JSON.parse(answer.text) as { id: string; token: string; connection_url: string };
      made.push({ id, token, connectionUrl: connection_url });
    },
    async removeAll() {
      const going = made.splice(0);
      const ids = going.map(({ id }) => id);
      const remover = async () => {
        for (let item = going.pop(); item !== undefined; item = going.pop()) {
          const answer = await call('DELETE', `/api/v1/resources/${item.id}`, { 'x-resource-token': item.token });
          if (answer.status >= 300) throw new Error(`DELETE answered ${answer.status}: ${answer.text.slice(0, 300)}`);
        }
      };
      await Promise.all(Array.from({ length: 8 }, remover));
      await until(60_000, 'the resources are deleted', async () => {
        const { rows } = await platform.query<{ left: number }>(
          `SELECT count(*)::int AS left FROM resources WHERE id = ANY ($1) AND status <> 'deleted'`,
          [ids],
        );
        return rows[0]?.left === 0;
      });
    },
    close: async () => agent.destroy(),
  };
}

export async function until(timeoutMs: number, what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`after ${timeoutMs / 1000} s it is still not so that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

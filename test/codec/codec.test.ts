// The payload codec on a Temporal server of its own: nothing readable in its database, both kinds of history live on, and the real
// `temporal` command reads with the codec endpoint what it cannot read without.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { TemporalLifecycle } from '../../api/lifecycle/temporal';
import { fakeApp, OPERATOR_KEY } from '../../api/testing/fakes';
import { createDataConverter, EncryptionCodec } from '../../shared/codec';
import { Keyring } from '../../shared/crypto';
import { startTemporalServer } from '../../stack';
import { extendUpdate, pauseUpdate, resourceWorkflowId } from '../../workflows/resource/messages';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { eventually } from '../harness/rows';

const K1 = `k1:${Buffer.alloc(32, 1).toString('base64')}`;
const K2 = `k2:${Buffer.alloc(32, 2).toString('base64')}`;
const NAMESPACE = 'leasehold';
const ROOT = join(__dirname, '../..');
const meta = { actor: { type: 'team', id: 'team' }, requestId: 'request' } as const;

let folder: string;
let temporal: Awaited<ReturnType<typeof startTemporalServer>>;
let database: TestDatabase;
let backend: RecordingBackend;
let bundle: string;
let endpoint: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'leasehold-codec-'));
  chmodSync(folder, 0o755);
  const cacheDir = process.env.LEASEHOLD_CACHE ?? join(ROOT, '.leasehold/cache');
  temporal = await startTemporalServer({ dir: folder, cacheDir, namespace: NAMESPACE });
  database = await createTestDatabase();
  backend = createRecordingBackend();
  bundle = await encryptedBundle();
  const payloads = new EncryptionCodec({ keyring: Keyring.parse(`${K2},${K1}`), encrypts: true });
  endpoint = createServer(fakeApp({ codec: { payloads, namespace: NAMESPACE } }).app).listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
});

afterAll(async () => {
  endpoint?.close();
  await temporal?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** That of the build when it is of these sources, as under `npm test`. */
async function encryptedBundle(): Promise<string> {
  if (process.env.LEASEHOLD_TEST_BUILD !== undefined) return join(process.env.LEASEHOLD_TEST_BUILD, 'workflow-bundle-encrypted.js');
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'workflows/index.ts'),
    workflowInterceptorModules: [join(ROOT, 'workflows/context/index.ts')],
    failureConverterPath: join(ROOT, 'shared/codec/failure-converter.ts'),
    logger: { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error },
  });
  const file = join(folder, 'bundle.js');
  writeFileSync(file, code);
  return file;
}

const converter = (keys: string, encrypts: boolean) => createDataConverter({ keyring: Keyring.parse(keys), encrypts });

/** Workers and a client of one configuration, for as long as `work` takes. */
async function configured<T>(
  keys: string,
  encrypts: boolean,
  work: (lifecycle: TemporalLifecycle, parts: Awaited<ReturnType<typeof createLifecycle>>) => Promise<T>,
): Promise<T> {
  const dataConverter = converter(keys, encrypts);
  const parts = await createLifecycle({ database, backend, address: temporal.address, namespace: NAMESPACE, dataConverter });
  try {
    await parts.startWorkers(encrypts ? { workflowBundle: { codePath: bundle } } : {});
    return await work(new TemporalLifecycle({ client: parts.client, uiUrl: 'http://ui' }), parts);
  } finally {
    await parts.close();
  }
}

function filesOfTemporal(): string {
  const home = join(folder, 'temporal');
  // The log first: what is moved into the database meanwhile is seen there, and would be in neither the other way round.
  return readdirSync(home)
    .filter((name) => name.startsWith('temporal.db'))
    .sort()
    .reverse()
    .map((name) => readFileSync(join(home, name), 'latin1'))
    .join('');
}

async function show(workflowId: string, ...args: string[]): Promise<string> {
  const common = [
    'workflow',
    'show',
    '--address',
    temporal.address,
    '--namespace',
    NAMESPACE,
    '--workflow-id',
    workflowId,
    '--output',
    'json',
  ];
  const { stdout } = await promisify(execFile)(temporal.binary, [...common, ...args], { env: { HOME: folder }, maxBuffer: 16_777_216 });
  return stdout;
}

/** The JSON that the command prints has data in base64 where it cannot read it. */
function readable(output: string): string {
  return output.replaceAll(/"data": ?"([^"]*)"/g, (_match, data: string) => Buffer.from(data, 'base64').toString('latin1'));
}

describe('the payload codec', () => {
  it('leaves nothing readable in the database, where a plain run leaves everything', async () => {
    const names = { on: `on-${randomUUID()}`, off: `off-${randomUUID()}` };
    for (const [mode, name] of Object.entries(names)) {
      await configured(K1, mode === 'on', async (lifecycle) => {
        const spec = testSpec({ name, labels: { team: `label-${name}` } });
        expect(await lifecycle.startAndWait(spec, { timeoutMs: 30_000 })).toEqual({ outcome: 'ready' });
      });
    }
    const files = filesOfTemporal();
    expect(files).toContain(names.off);
    expect(files).toContain(`label-${names.off}`);
    expect(files).not.toContain(names.on);
    expect(files).toContain('binary/encrypted');
  });

  it('shows the memo and what failures say to those who have the key, and to the temporal command through the endpoint', async () => {
    const name = `shown-${randomUUID()}`;
    const spec = testSpec({ name });
    const workflowId = resourceWorkflowId(spec.resourceId);
    const { port } = endpoint.address() as AddressInfo;
    const codec = ['--codec-endpoint', `http://127.0.0.1:${port}/codec`, '--codec-auth'];
    const message = `the server said no to ${name}`;
    backend.before = async (verb) => {
      if (verb === 'cut') throw ApplicationFailure.retryable(message);
    };
    try {
      await configured(K1, true, async (lifecycle, { client }) => {
        await lifecycle.startAndWait(spec, { timeoutMs: 30_000 });
        // Null when it did not come within 300 ms.
        const block = await eventually(
          () => lifecycle.describe(spec.resourceId),
          (found) => found !== null,
        );
        expect(block).toMatchObject({ next_step: expect.stringMatching(/./), next_step_at: expect.stringMatching(/^\d{4}-/) });
        const paused = client.workflow.getHandle(workflowId).startUpdate(pauseUpdate, { args: [meta], waitForStage: 'ACCEPTED' });
        paused.catch(() => {});
        const failureOf = async () =>
          (await lifecycle.describe(spec.resourceId))?.pending.map(({ last_failure }) => last_failure ?? '').join('') ?? '';
        expect(await eventually(failureOf, (said) => said !== '')).toContain(message);
        expect(filesOfTemporal()).not.toContain(message);
      });
    } finally {
      backend.before = async () => undefined;
    }
    expect(readable(await show(workflowId))).not.toContain(name);
    expect(readable(await show(workflowId, ...codec, `Bearer ${OPERATOR_KEY}`))).toContain(name);
    // The command only says that it got nothing; who was refused is api/routes/codec.test.ts.
    await expect(show(workflowId, '--command-timeout', '10s', ...codec, 'Bearer somebody-else-entirely')).rejects.toThrow(
      'failed getting next history event',
    );
  });

  it('goes on with one history through off, on, a new key and off again, and replays all of it', async () => {
    const spec = testSpec({ name: `mixed-${randomUUID()}` });
    const workflowId = resourceWorkflowId(spec.resourceId);
    await configured(K1, false, async (lifecycle) => {
      await lifecycle.startAndWait(spec, { timeoutMs: 30_000 });
    });
    for (const [keys, encrypts] of [
      [K1, true],
      [`${K2},${K1}`, true],
      [`${K2},${K1}`, false],
    ] as const) {
      await configured(keys, encrypts, async (_lifecycle, { client }) => {
        await client.workflow.getHandle(workflowId).executeUpdate(extendUpdate, { args: [{ ttlMs: HOUR_MS, ...meta }] });
      });
    }
    const history = await configured(`${K2},${K1}`, true, async (_lifecycle, { client }) => {
      const handle = client.workflow.getHandle(workflowId);
      await handle.signal('delete', { ...meta, reason: 'test' });
      await handle.result();
      return await handle.fetchHistory();
    });
    const replayed = (keys: string) =>
      Worker.runReplayHistory({ workflowBundle: { codePath: bundle }, dataConverter: converter(keys, true) }, history, workflowId);
    await replayed(`${K2},${K1}`);
    // The worker's log names the key; the run waits for it to come back.
    await expect(replayed(K2)).rejects.toThrow('workflow task failure');
  });
});

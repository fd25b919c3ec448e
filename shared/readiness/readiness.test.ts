import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Connection } from '@temporalio/client';
import type { Pool } from 'pg';
import { Registry } from 'prom-client';
import {
  type CheckFunction,
  grpcCheck,
  httpCheck,
  httpStatus,
  mongoCheck,
  natsCheck,
  postgresCheck,
  ReadinessRegistry,
  redisCheck,
  temporalCheck,
} from './index';

function setUp() {
  const lines: string[] = [];
  const metrics = new Registry();
  const logger = { info: (message: string) => lines.push(`info ${message}`), warn: (message: string) => lines.push(`warn ${message}`) };
  return { lines, metrics, registry: new ReadinessRegistry({ service: 'api', logger, metrics }) };
}
const fails = (message: string) => async () => {
  throw new Error(message);
};
const never = () => new Promise<void>(() => undefined);
const pauseMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('ReadinessRegistry', () => {
  it('reports every check in the words of the contract', async () => {
    const { registry } = setUp();
    registry.register({ name: 'platform_db', critical: true, check: async () => undefined });
    registry.register({ name: 'redis', critical: false, check: async () => ({ status: 'degraded', detail: { lag: 3 } }) });
    const report = await registry.report();
    const times = { latency_ms: expect.any(Number), last_check_at: expect.stringMatching(/Z$/) };
    expect(report).toEqual({
      overall: 'degraded',
      service: 'api',
      commit_id: 'dev',
      checked_at: expect.stringMatching(/Z$/),
      checks: [
        { name: 'platform_db', critical: true, status: 'ok', last_error: null, ...times },
        { name: 'redis', critical: false, status: 'degraded', last_error: null, detail: { lag: 3 }, ...times },
      ],
    });
    expect(httpStatus(report)).toBe(200);
  });

  it.each<[string, { critical: boolean; check: CheckFunction }[], string, number]>([
    ['nothing registered', [], 'ok', 200],
    ['all well', [{ critical: true, check: async () => ({}) }], 'ok', 200],
    ['a critical one degraded', [{ critical: true, check: async () => ({ status: 'degraded' }) }], 'degraded', 200],
    [
      'another one failed',
      [
        { critical: false, check: fails('x') },
        { critical: true, check: async () => ({}) },
      ],
      'degraded',
      200,
    ],
    [
      'a critical one failed',
      [
        { critical: false, check: fails('x') },
        { critical: true, check: fails('y') },
      ],
      'failed',
      503,
    ],
  ])('%s', async (_what, checks, overall, status) => {
    const { registry } = setUp();
    for (const [index, check] of checks.entries()) registry.register({ name: `c${index}`, ...check });
    const report = await registry.report();
    expect([report.overall, httpStatus(report)]).toEqual([overall, status]);
  });

  it('shares a run, remembers it for cacheMs, and runs again after', async () => {
    const { registry } = setUp();
    let runs = 0;
    const check = async () => {
      runs += 1;
      await pauseMs(10);
    };
    registry.register({ name: 'c', critical: true, check, cacheMs: 60 });
    await Promise.all([registry.report(), registry.report(), registry.report()]);
    await registry.report();
    expect(runs).toBe(1);
    await pauseMs(80);
    await registry.report();
    expect(runs).toBe(2);
  });

  it('gives up at the timeout, aborts the check, and says so', async () => {
    const { registry } = setUp();
    let aborted = false;
    registry.register({
      name: 'slow',
      critical: true,
      timeoutMs: 20,
      check: (signal) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return never();
      },
    });
    expect((await registry.report()).checks).toMatchObject([{ status: 'failed', last_error: 'no answer within 20 ms' }]);
    expect(aborted).toBe(true);
  });

  it('shows no secret in last_error, and takes a check that throws at once', async () => {
    const { registry } = setUp();
    registry.register({
      name: 'c',
      critical: false,
      check: () => {
        throw new Error('outer', { cause: new AggregateError([new Error('dial postgres://u:hunter2@h/d')], '') });
      },
    });
    expect((await registry.report()).checks).toMatchObject([{ status: 'failed', last_error: 'outer: dial postgres://u:[REDACTED]@h/d' }]);
  });

  it('logs changes only and keeps its gauges', async () => {
    const { registry, lines, metrics } = setUp();
    let healthy = true;
    const check = async () => {
      if (!healthy) throw new Error('down');
    };
    registry.register({ name: 'c', critical: true, check, cacheMs: 0 });
    const statusGauge = async () =>
      (await metrics.getMetricsAsJSON()).find((metric) => metric.name === 'leasehold_readiness_check_status')?.values;
    await registry.report();
    await registry.report();
    expect(await statusGauge()).toEqual([{ value: 1, labels: { name: 'c' } }]);
    healthy = false;
    await registry.report();
    await registry.report();
    expect(await statusGauge()).toEqual([{ value: 0, labels: { name: 'c' } }]);
    healthy = true;
    await registry.report();
    expect(lines).toEqual(['warn c is failed', 'info c is ready again']);
    expect(await metrics.metrics()).toMatch(/leasehold_readiness_check_latency_seconds\{name="c"\} [\d.e-]+/);
  });

  it('takes a name once, and a second registry on the same metrics', () => {
    const { registry, metrics } = setUp();
    registry.register({ name: 'c', critical: true, check: never });
    expect(() => registry.register({ name: 'c', critical: true, check: never })).toThrow(/"c"/);
    expect(() => new ReadinessRegistry({ service: 'api', metrics })).not.toThrow();
  });
});

describe('checks', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  async function listen(server: Server) {
    servers.push(server);
    server.on('connection', (socket: Socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  }
  const serve = (onConnection: (socket: Socket) => void) => listen(createServer(onConnection));
  const answering = (answer: string | Buffer) => serve((socket) => socket.on('data', () => socket.write(answer)));
  const run = (check: CheckFunction, timeoutMs = 2_000) => check(AbortSignal.timeout(timeoutMs));

  it('redis', async () => {
    let asked = '';
    const address = await serve((socket) =>
      socket.on('data', (data) => {
        asked += data;
        socket.write('+OK\r\n+PO');
        socket.write('NG\r\n');
      }),
    );
    await run(redisCheck({ ...address, username: 'u', password: 'pä' }));
    expect(asked).toBe('*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$3\r\npä\r\n*1\r\n$4\r\nPING\r\n');
    await run(redisCheck(await answering('+PONG\r\n')));
    await expect(run(redisCheck(await answering('-NOAUTH Authentication required.\r\n')))).rejects.toThrow('refused: NOAUTH');
    await expect(run(redisCheck(await serve((socket) => socket.end())))).rejects.toThrow(/without an answer/);
  });

  it('nats', async () => {
    await run(natsCheck(await serve((socket) => socket.write('INFO {"server_id":"x"} \r\n'))));
    await expect(run(natsCheck(await serve((socket) => socket.write('SSH-2.0\r\n'))))).rejects.toThrow(/NATS/);
    await expect(run(natsCheck(await serve(() => undefined)), 30)).rejects.toThrow();
  });

  it('mongodb', async () => {
    const reply = (ok: number) => {
      const document = Buffer.concat([Buffer.alloc(4), Buffer.from('\x01ok\0'), Buffer.alloc(8), Buffer.from([0])]);
      document.writeInt32LE(document.length, 0);
      document.writeDoubleLE(ok, 8);
      const message = Buffer.concat([Buffer.alloc(16), Buffer.alloc(5), document]);
      message.writeInt32LE(message.length, 0);
      message.writeInt32LE(2013, 12);
      return message;
    };
    let asked = Buffer.alloc(0);
    const address = await serve((socket) =>
      socket.on('data', (data) => {
        asked = data;
        socket.write(reply(1).subarray(0, 10));
        setTimeout(() => socket.write(reply(1).subarray(10)), 5);
      }),
    );
    await run(mongoCheck(address));
    expect(asked.readInt32LE(0)).toBe(asked.length);
    expect(asked.readInt32LE(21)).toBe(asked.length - 21);
    expect(asked.toString('latin1')).toContain('hello');
    await expect(run(mongoCheck(await answering(reply(0))))).rejects.toThrow(/error/);
    await expect(run(mongoCheck(await answering('HTTP/1.1 400 Bad Request\r\n')))).rejects.toThrow(/MongoDB protocol/);
  });

  it('nobody listening', async () => {
    const address = await serve(() => undefined);
    const server = servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    for (const check of [redisCheck(address), natsCheck(address), mongoCheck(address)])
      await expect(run(check)).rejects.toThrow(/ECONNREFUSED/);
    await expect(run(httpCheck({ url: `http://127.0.0.1:${address.port}/` }))).rejects.toThrow('fetch failed');
  });

  it('http', async () => {
    const { port } = await listen(createHttpServer((request, response) => response.writeHead(request.url === '/ok' ? 204 : 500).end()));
    await run(httpCheck({ url: `http://127.0.0.1:${port}/ok` }));
    await expect(run(httpCheck({ url: `http://127.0.0.1:${port}/no` }))).rejects.toThrow('answered 500');
    await run(httpCheck({ url: `http://127.0.0.1:${port}/no`, isOk: (status) => status === 500 }));
  });

  it('postgres, grpc and temporal', async () => {
    const asked: unknown[] = [];
    const query = async (text: string) => asked.push(text);
    await run(postgresCheck({ query }));
    await expect(run(postgresCheck({ query: fails('down') }))).rejects.toThrow('down');
    await run(grpcCheck(async () => ({ status: 'SERVING' })));
    await expect(run(grpcCheck(async () => ({ status: 2 })))).rejects.toThrow('not serving (status 2)');
    await run(
      temporalCheck({
        healthService: {
          check: async (request) => {
            asked.push(request.service);
            return { status: 1 };
          },
        },
      }),
    );
    expect(asked).toEqual(['SELECT 1', 'temporal.api.workflowservice.v1.WorkflowService']);
  });

  it('take the real clients', () => {
    const typeOnly = (connection: Connection, pool: Pool) => [temporalCheck(connection), postgresCheck(pool)];
    expect(typeOnly).toBeDefined();
  });
});

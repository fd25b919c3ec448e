import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { externalEnvironment } from './kind-servers';
import { findFreePort } from './ports';
import { loadSecrets } from './secrets';
import { assignPorts, childEnvironment, temporalUiUrl } from './services';
import { readSettings } from './settings';
import { updateState } from './state';
import { Supervisor } from './supervisor';
import { temporalArguments } from './temporal';
import { isNewEnough } from './temporal-fetch';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-services-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const settingsOf = (env: NodeJS.ProcessEnv = {}) => readSettings({ LEASEHOLD_HOME: home, ...env }, '/app');

describe('settings', () => {
  it('has defaults for everything', () => {
    expect(readSettings({}, '/app')).toMatchObject({
      home: '/app/.leasehold',
      cacheDir: '/app/.leasehold/cache',
      port: 8080,
      baseUrl: 'http://127.0.0.1:8080',
      plans: '/app/plans.yaml',
      backends: '/app/backends.yaml',
      logLevel: 'info',
      temporalNamespace: 'leasehold',
    });
  });

  it('wants every kind unless told', () => {
    expect([...settingsOf().kinds]).toEqual(['postgres', 'vector', 'redis', 'mongodb', 'queue', 'storage', 'webhook']);
    expect([...settingsOf({ LEASEHOLD_KINDS: 'redis, postgres' }).kinds]).toEqual(['postgres', 'redis']);
    const beside = settingsOf({ LEASEHOLD_KINDS: 'postgres,rabbitmq,minio' });
    expect([...beside.kinds]).toEqual(['postgres', 'queue', 'storage']);
    expect([...beside.usualKinds]).toEqual(['postgres']);
    expect([...beside.optionalServers]).toEqual(['rabbitmq', 'minio']);
    expect([...settingsOf({ LEASEHOLD_KINDS: 'all,kafka' }).kinds]).toEqual([...settingsOf({}).kinds]);
  });

  it('reaches a wildcard host on loopback', () => {
    expect(settingsOf({ LEASEHOLD_HOST: '0.0.0.0', PORT: '9000' }).localUrl).toBe('http://127.0.0.1:9000');
  });

  it.each([
    [{ PORT: 'x' }, 'PORT: is not a port'],
    [{ PORT: '70000' }, 'is not a port'],
    [{ LEASEHOLD_DATABASE_URL: 'postgres://a@b/c' }, 'go together'],
    [{ LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG: 'a=b;c' }, 'write key=value'],
    [{ LEASEHOLD_KINDS: 'redis,oracle' }, 'LEASEHOLD_KINDS: must be a list of postgres,vector'],
  ])('refuses %j in one line', (env, message) => {
    expect(() => settingsOf(env)).toThrow(message);
  });
});

describe('secrets', () => {
  it('are made once, private, and in the agreed shape', () => {
    const secrets = loadSecrets(home, {});
    expect(secrets.keyring).toMatch(/^k1:[A-Za-z0-9+/]{43}=$/);
    expect(secrets.jwtKeys).toMatch(/^j1:[A-Za-z0-9+/]{43}=$/);
    expect(secrets.bootstrapApiKey).toMatch(/^lh_[a-z2-7]{40}$/);
    expect(secrets.operatorKey).toMatch(/^lhop_[a-z2-7]{40}$/);
    expect(secrets.installationId).toMatch(/^[a-z2-7]{8}$/);
    expect(statSync(join(home, 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(loadSecrets(home, {})).toEqual(secrets);
  });

  it('of the environment win and are not written down', () => {
    expect(loadSecrets(home, { LEASEHOLD_KEYRING: 'k9:given' }).keyring).toBe('k9:given');
    expect(readFileSync(join(home, 'secrets.json'), 'utf8')).not.toContain('k9:given');
  });
});

describe('ports of the servers', () => {
  it('are remembered', async () => {
    const first = await assignPorts(settingsOf());
    expect(new Set(Object.values(first)).size).toBe(6);
    expect(await assignPorts(settingsOf())).toEqual(first);
  });

  it('move when taken, except the one that tenants hold in their urls', async () => {
    const taken = await findFreePort();
    const server = createServer().listen(taken, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      updateState(home, (state) => {
        state.ports = { 'postgres-platform': taken };
      });
      expect((await assignPorts(settingsOf()))['postgres-platform']).not.toBe(taken);
      updateState(home, (state) => {
        state.ports['postgres-tenants'] = taken;
      });
      await expect(assignPorts(settingsOf())).rejects.toThrow(`port ${taken} is taken by another program`);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('of the kinds in tenants’ urls do not move either', async () => {
    const wanted = [{ name: 'nats', inUrls: true }, { name: 'redis-platform' }];
    const first = await assignPorts(settingsOf(), wanted);
    const servers = [first.nats, first['redis-platform']].map((port) => createServer().listen(port, '127.0.0.1'));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
    try {
      expect((await assignPorts(settingsOf(), wanted.slice(1)))['redis-platform']).not.toBe(first['redis-platform']);
      await expect(assignPorts(settingsOf(), wanted)).rejects.toThrow(`port ${first.nats} is taken by another program`);
    } finally {
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
    }
  });

  it('are not assigned to what is external', async () => {
    const ports = await assignPorts(
      settingsOf({
        LEASEHOLD_DATABASE_URL: 'postgres://app@db/x',
        LEASEHOLD_DATABASE_OWNER_URL: 'postgres://owner@db/x',
        LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL: 'postgres://admin@tenants/postgres',
        LEASEHOLD_TEMPORAL_ADDRESS: 'temporal:7233',
      }),
    );
    expect(Object.keys(ports)).toEqual(['worker-metrics', 'relay-metrics']);
  });
});

describe('servers that somebody else runs', () => {
  const listed = (env: NodeJS.ProcessEnv) => {
    const supervisor = new Supervisor({ home, say() {} });
    const environment = externalEnvironment(settingsOf(env), supervisor);
    return { environment, urls: Object.fromEntries(supervisor.status().map(({ name, url, external }) => [name, external && url])) };
  };

  it('are listed, whichever kind they are of, and no password with them', () => {
    const { environment, urls } = listed({
      LEASEHOLD_REDIS_URL: 'redis://a:sesame@redis:6379',
      LEASEHOLD_NATS_ADMIN_URL: 'nats://leasehold:sesame.sesame@nats:4222?system_account=A',
      LEASEHOLD_KAFKA_ADMIN_URL: 'kafka://a:sesame@kafka:9092?tls=on',
      LEASEHOLD_NATS_OPEN_ADMIN_URL: 'nats://a:sesame@open:4222',
      LEASEHOLD_RABBITMQ_ADMIN_URL: 'amqp://a:sesame@mq:5672?management=http%3A%2F%2Fmq%3A15672',
      LEASEHOLD_STORAGE_ADMIN_URL: 'http://a:sesame@s3:8333',
      LEASEHOLD_MINIO_ADMIN_URL: 'http://a:sesame@minio:9000',
      LEASEHOLD_MONGODB_ADMIN_URL: 'mongodb://a:sesame@one:27017,two:27017/admin',
      LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL: 'postgres://a:sesame@vector/postgres',
    });
    expect(urls).toEqual({
      'redis-platform': 'redis://a@redis:6379',
      nats: 'nats://leasehold@nats:4222?system_account=A',
      kafka: 'kafka://a@kafka:9092?tls=on',
      'nats-open': 'nats://a@open:4222',
      rabbitmq: 'amqp://a@mq:5672?management=http%3A%2F%2Fmq%3A15672',
      seaweedfs: 'http://a@s3:8333/',
      minio: 'http://a@minio:9000/',
      ferretdb: 'mongodb://one:27017,two:27017/admin',
      pgvector: 'postgres://a@vector/postgres',
    });
    expect(environment).toEqual({ LEASEHOLD_REDIS_URL: 'redis://a:sesame@redis:6379' });
  });

  it('are none where nothing is given, or `none`', () => {
    expect(listed({ LEASEHOLD_REDIS_URL: 'none' })).toEqual({ environment: {}, urls: {} });
  });
});

describe('environment of api and worker', () => {
  it("has everything they read, and not the owner's url", async () => {
    const settings = settingsOf();
    const secrets = loadSecrets(home, {});
    const ports = await assignPorts(settings, [{ name: 'receiver' }]);
    const env = childEnvironment(
      { settings, secrets, ports },
      { PATH: '/bin', npm_config_x: '1', LEASEHOLD_DATABASE_OWNER_URL: 'postgres://owner' },
    );
    expect(Object.keys(env).sort()).toMatchInlineSnapshot(`
[
  "LEASEHOLD_BACKENDS",
  "LEASEHOLD_BASE_URL",
  "LEASEHOLD_BOOTSTRAP_API_KEY",
  "LEASEHOLD_DATABASE_URL",
  "LEASEHOLD_HOST",
  "LEASEHOLD_INBOX_URL",
  "LEASEHOLD_INSTALLATION_ID",
  "LEASEHOLD_JWT_KEYS",
  "LEASEHOLD_KEYRING",
  "LEASEHOLD_KINDS",
  "LEASEHOLD_LOG",
  "LEASEHOLD_OPERATOR_KEY",
  "LEASEHOLD_PLANS",
  "LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL",
  "LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL",
  "LEASEHOLD_RECEIVER_INTERNAL_URL",
  "LEASEHOLD_RECEIVER_URL",
  "LEASEHOLD_TEMPORAL_ADDRESS",
  "LEASEHOLD_TEMPORAL_NAMESPACE",
  "LEASEHOLD_TEMPORAL_UI_URL",
  "LEASEHOLD_WORKER_METRICS_PORT",
  "PATH",
  "PORT",
]
`);
    expect(env.LEASEHOLD_DATABASE_URL).toBe(
      `postgres://leasehold_app:${secrets.postgresPlatformApp}@127.0.0.1:${ports['postgres-platform']}/leasehold`,
    );
  });

  it('has no UI url for an external Temporal whose UI nobody named', () => {
    expect(temporalUiUrl({ settings: settingsOf({ LEASEHOLD_TEMPORAL_ADDRESS: 'temporal:7233' }), ports: {} })).toBeUndefined();
  });
});

describe('temporal', () => {
  it('takes further dynamic configuration, which wins over ours', () => {
    const options = { home, binary: 'temporal', port: 1, uiPort: 2, namespace: 'n' };
    const args = temporalArguments({ ...options, dynamicConfig: ['matching.enableFairness=false', 'history.x="10ms"'] });
    expect(args).toContain('matching.enableFairness=false');
    expect(args).not.toContain('matching.enableFairness=true');
    expect(args).toContain('history.x="10ms"');
    expect(args).toContain('synchronous=2');
  });

  it.each([
    ['1.9.0', true],
    ['1.10.2', true],
    ['2.0.0', true],
    ['1.8.9', false],
    ['0.99.0', false],
  ])('version %s new enough: %s', (version, expected) => {
    expect(isNewEnough(version)).toBe(expected);
  });
});

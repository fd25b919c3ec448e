// The claim through the app, on stand-ins: what is refused before anything is made, what is sent to the workflow, what the page shows.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import fc from 'fast-check';
import request from 'supertest';
import { CLAIM_AUDIENCE, claimHandle, hashToken } from '../../shared/crypto';
import { isUuid } from '../auth/authorize';
import { escapeHtml } from '../http/html';
import type { CommandRequest, LifecyclePort } from '../lifecycle/port';
import {
  API_KEY,
  aRow,
  expectDeclared,
  FakeStore,
  fakeApp,
  jwt,
  keyring,
  noIdentities,
  READ_KEY,
  RESOURCE_ID,
  TEAM_ID,
  TOKEN,
  untouchableLifecycle,
} from '../testing/fakes';
import { startPage } from './page';

const TEAM = { authorization: `Bearer ${API_KEY}` };
const NEW_TEAM = '00000000-0000-4000-8000-000000000001';
const NEW_USER = '00000000-0000-4000-8000-000000000002';
const SESSION = '00000000-0000-4000-8000-000000000003';
const OTHER = { id: '4f0b2a52-6a39-5c0e-9d0d-0c6a3c1f5b12', token: '21111111-2222-4333-8444-555555555555' };
const WEEK_SECONDS = 7 * 24 * 3600;

let store: FakeStore;
let sent: CommandRequest[];
let made: string[];
let disbanded: string[];
let verified: string[];
let answer: (request: CommandRequest) => void;
let canDisband: boolean;

beforeEach(() => {
  store = new FakeStore();
  store.rows = [aRow()];
  sent = [];
  made = [];
  disbanded = [];
  verified = [];
  canDisband = true;
  answer = claims;
});

function claims({ command, spec }: CommandRequest): void {
  if (command.type !== 'claim') throw new Error(`not a claim: ${command.type}`);
  store.rows = store.rows.map((row) =>
    row.id === spec.resourceId ? { ...row, team_id: command.teamId, tier: command.policy.tier, owner_fingerprint: null } : row,
  );
}

function app() {
  const lifecycle: Partial<LifecyclePort> = {
    command: async (command) => {
      sent.push(command);
      answer(command);
      return { applied: true, view: {} as never };
    },
  };
  const identity = {
    ...noIdentities,
    findVerifiedUser: async (email: string) => (verified.includes(email.toLowerCase()) ? { userId: NEW_USER } : null),
    createTeamWithOwner: async ({ email, teamName, tier }: { email: string; teamName: string; tier: string }) => {
      made.push(teamName);
      return { userId: NEW_USER, email, teamId: NEW_TEAM, teamName, tier, role: 'owner' as const, platformOperator: false };
    },
    disband: async ({ teamId }: { teamId: string }) => {
      if (canDisband) disbanded.push(teamId);
      return canDisband;
    },
    openSession: async () => ({ sessionId: SESSION }),
  };
  return fakeApp({ store, identity, lifecycle: untouchableLifecycle(lifecycle), onAnswer: expectDeclared }).app;
}

const link = (claimsOf: object = {}, options: object = {}) =>
  jwt.sign(
    { fp: 'network', tok: [claimHandle(TOKEN)], rt: ['postgres'], ...claimsOf },
    { expiresInSeconds: WEEK_SECONDS, audience: CLAIM_AUDIENCE, ...options },
  );
const refusedWith = (code: string) => new WorkflowUpdateFailedError('x', ApplicationFailure.nonRetryable('m', code));
const newcomer = (body: object) =>
  request(app())
    .post('/claim')
    .send({ email: 'ada@example.com', ...body });

describe('POST /claim without an account', () => {
  it.each(['the token', 'the handle', 'the link'])('makes one with %s', async (proof) => {
    const body = proof === 'the token' ? { token: TOKEN } : proof === 'the handle' ? { token: claimHandle(TOKEN) } : { jwt: await link() };
    const reply = await newcomer({ ...body, team_name: ' Shop ' });
    expect(reply.status).toBe(201);
    expect(reply.body).toMatchObject({
      ok: true,
      team_id: NEW_TEAM,
      user_id: NEW_USER,
      results: [{ outcome: 'claimed', resource_id: RESOURCE_ID, tier: 'free', error: null }],
    });
    expect((await jwt.verify(reply.body.session_token, { audience: 'leasehold-session' })).ok).toBe(true);
    expect(made).toEqual(['Shop']);
    expect(disbanded).toEqual([]);
    expect(sent.map(({ command }) => command)).toMatchObject([
      { type: 'claim', teamId: NEW_TEAM, policy: { tier: 'free' }, ttlMs: 86_400_000, kindCount: 2 },
    ]);
    expect(JSON.stringify(sent)).not.toContain(TOKEN);
    expect(JSON.stringify(sent)).not.toContain('ada@');
  });

  it('wants an address, and one proof', async () => {
    for (const body of [
      { token: TOKEN },
      { email: 'ada@example.com' },
      { email: 'ada@example.com', token: TOKEN, jwt: 'x' },
      { email: 'ada', token: TOKEN },
    ]) {
      const reply = await request(app()).post('/claim').send(body);
      expect([reply.status, reply.body.error]).toEqual([400, 'invalid_request']);
    }
    expect(made).toEqual([]);
  });

  it('tells whom an account is known of to sign in', async () => {
    verified = ['ada@example.com'];
    const reply = await newcomer({ token: TOKEN, email: 'Ada@Example.com' });
    expect([reply.status, reply.body.error]).toEqual([409, 'sign_in_to_claim']);
    expect([made, sent]).toEqual([[], []]);
  });

  it.each<[string, object, number, string]>([
    ['claimed', { team_id: TEAM_ID }, 409, 'already_claimed'],
    ['gone', { status: 'deleted' }, 410, 'resource_inactive'],
    ['expired', { status: 'expired' }, 410, 'resource_inactive'],
    ['still being made', { status: 'pending' }, 409, 'resource_not_ready'],
  ])('makes no team for what is %s', async (_what, fields, status, error) => {
    store.rows = [aRow(fields)];
    const reply = await newcomer({ token: TOKEN });
    expect([reply.status, reply.body.error]).toEqual([status, error]);
    expect([made, sent]).toEqual([[], []]);
    expect(store.audited).toMatchObject([{ action: 'resource.claim', result: 'denied', data: { reason: error } }]);
  });

  it('removes the team again when the claim is lost or does not answer', async () => {
    for (const code of ['already_claimed', 'resource_suspended', 'temporarily_unavailable']) {
      answer = () => {
        throw refusedWith(code);
      };
      expect((await newcomer({ token: TOKEN })).body.error).toBe(code);
    }
    expect(disbanded.filter((id) => id === NEW_TEAM).length).toBeGreaterThanOrEqual(3);
  });

  it('answers with what is true when the claim won while it was called off', async () => {
    canDisband = false;
    answer = (command) => {
      claims(command);
      throw refusedWith('temporarily_unavailable');
    };
    const reply = await newcomer({ token: TOKEN });
    expect(reply.status).toBe(201);
    expect(reply.body.results).toMatchObject([{ outcome: 'claimed' }]);
  });

  it.each<[string, () => Promise<string>, string]>([
    ['expired', () => link({}, { nowMs: Date.now() - 8 * 24 * 3_600_000 }), 'expired_token'],
    ['for something else', () => link({}, { audience: 'leasehold-session' }), 'malformed_token'],
    ['for nothing', () => link({ tok: [] }), 'malformed_token'],
    ['of another form', () => link({ tok: 'all' }), 'malformed_token'],
    ['forged', async () => `${(await link()).slice(0, -4)}AAAA`, 'malformed_token'],
    [
      'unsigned',
      async () => {
        const [, payload] = (await link()).split('.');
        return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${payload}.`;
      },
      'malformed_token',
    ],
  ])('refuses a link that is %s', async (_what, text, errorCode) => {
    const reply = await newcomer({ jwt: await text() });
    expect([reply.status, reply.body.error, reply.body.error_code]).toEqual([401, 'unauthorized', errorCode]);
    expect([made, sent]).toEqual([[], []]);
  });
});

describe('POST /claim with a bearer', () => {
  it('says of each token what became of it, and takes nothing else', async () => {
    const unknown = '31111111-2222-4333-8444-555555555555';
    store.rows = [
      aRow(),
      aRow({
        id: OTHER.id,
        team_id: NEW_TEAM,
        token_hash: hashToken(OTHER.token),
        token_encrypted: keyring.encrypt(OTHER.token, `token:${OTHER.id}`),
      }),
    ];
    const reply = await request(app())
      .post('/claim')
      .set(TEAM)
      .send({ tokens: [TOKEN, claimHandle(TOKEN), OTHER.token, unknown] });
    expect(reply.status).toBe(201);
    expect(reply.body).toMatchObject({ team_id: TEAM_ID, user_id: null });
    expect(reply.body.session_token).toBeUndefined();
    expect(reply.body.results).toMatchObject([
      { outcome: 'claimed', tier: 'pro' },
      { outcome: 'claimed', tier: 'pro' },
      { outcome: 'refused', error: 'already_claimed', resource_id: null, name: null },
      { outcome: 'refused', error: 'not_found', resource_id: null },
    ]);
    expect(sent.map(({ spec }) => spec.resourceId)).toEqual([RESOURCE_ID]);
    expect(sent[0]?.command).toMatchObject({ teamId: TEAM_ID, policy: { tier: 'pro' }, ttlMs: null, kindCount: 5 });
    expect(made).toEqual([]);
    expect(store.audited.map(({ data }) => data?.reason)).toEqual(['already_claimed', 'not_found']);
  });

  it('needs the right to write', async () => {
    const reply = await request(app()).post('/claim').set('authorization', `Bearer ${READ_KEY}`).send({ token: TOKEN });
    expect([reply.status, sent.length]).toEqual([403, 0]);
  });

  it('passes on that the plan holds no more', async () => {
    answer = () => {
      throw refusedWith('postgres_limit_reached');
    };
    expect((await request(app()).post('/claim').set(TEAM).send({ token: TOKEN })).status).toBe(402);
  });
});

describe('after the claim', () => {
  it('the token opens nothing any more, the team’s bearer does', async () => {
    await newcomer({ token: TOKEN });
    store.rows = store.rows.map((row) => ({ ...row, team_id: TEAM_ID }));
    const path = `/api/v1/resources/${RESOURCE_ID}`;
    for (const asked of [request(app()).get(path).set('x-resource-token', TOKEN), request(app()).get(`/api/v1/resources/${TOKEN}`)]) {
      expect((await asked).status).toBe(401);
    }
    expect((await request(app()).get(path).set('x-resource-token', claimHandle(TOKEN))).status).toBe(404);
    expect((await request(app()).get(path).set(TEAM)).status).toBe(200);
  });
});

describe('the preview and the page', () => {
  it('show what would be claimed, and no credential', async () => {
    for (const query of [{ t: await link() }, { tokens: `${TOKEN},${OTHER.token}` }]) {
      const reply = await request(app()).get('/claim/preview').query(query);
      expect(reply.status).toBe(200);
      expect(reply.body.items[0]).toMatchObject({
        claimable: true,
        resource_type: 'postgres',
        name: 'orders',
        tier: 'anonymous',
        tier_after: 'free',
      });
      expect(reply.text).not.toMatch(/postgres:\/\/|lhabcdefgh|pass/);
    }
    const page = await request(app())
      .get('/start')
      .query({ t: await link() });
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/);
    expect([page.headers['referrer-policy'], page.headers['cache-control']]).toEqual(['no-referrer', 'no-store']);
    expect(page.text).toContain('<form method="post" action="/start"');
    expect(page.text).not.toMatch(/<script|javascript:|onload/i);
  });

  it('say of a team’s resource that it was claimed, and nothing else', async () => {
    store.rows = [aRow({ team_id: TEAM_ID, name: 'very secret name' })];
    for (const path of ['/claim/preview', '/start']) {
      const reply = await request(app()).get(path).query({ tokens: TOKEN });
      expect(reply.text).toMatch(/claimed/);
      expect(reply.text).not.toContain('very secret name');
    }
  });

  it('explain a link that is over, and refuse tokens in any other query', async () => {
    const old = await request(app())
      .get('/start')
      .query({ t: await link({}, { nowMs: 0 }) });
    expect(old.status).toBe(401);
    expect(old.text).toContain('expired');
    expect((await request(app()).post('/claim?token=x').send({})).body.error).toBe('credentials_in_query');
  });

  it('claim by the form', async () => {
    const form = { jwt: await link(), email: 'ada@example.com', team_name: '' };
    const reply = await request(app()).post('/start').type('form').send(form);
    expect(reply.status).toBe(201);
    expect(reply.headers['content-type']).toContain('text/html');
    expect(made).toEqual(['ada']);
    const again = await request(app()).post('/start').type('form').send(form);
    expect(again.status).toBe(409);
    expect((await request(app()).post('/start').send(form)).status).toBe(415);
    expect(
      (
        await request(app())
          .post('/start')
          .type('form')
          .send({ ...form, email: '<b>' })
      ).status,
    ).toBe(400);
  });

  it('never write unescaped what somebody else wrote', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, value) => {
        const marked = `<i>${text}"'`;
        const item = { kind: marked, name: marked, status: marked, expiresAt: marked, tier: marked, tierAfter: marked, problem: null };
        const page = startPage([item], { name: 'jwt', value: `"><script>${value}` });
        expect(page).not.toMatch(/<i>|<script/);
        expect(escapeHtml(marked)).not.toMatch(/[<>"']/);
      }),
    );
    expect(isUuid(claimHandle(TOKEN))).toBe(true);
  });
});

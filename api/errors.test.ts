import { describe, expect, it } from '@jest/globals';
import { ApplicationFailure, ServiceError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ERROR_CATALOGUE, type ErrorCode, LeaseholdError } from '../shared/errors';
import { errorAnswer, toLeaseholdError } from './errors';
import { errorSchema } from './schemas/error';

const urls = { baseUrl: 'https://leasehold.example', upgradeUrl: 'https://leasehold.example/docs#plans' };
const answerOf = (error: LeaseholdError) => errorAnswer(error, { requestId: 'r', urls, nowMs: Date.UTC(2026, 0, 1, 23, 59, 0) });

describe('the envelope', () => {
  it.each(Object.keys(ERROR_CATALOGUE) as ErrorCode[])('of %s is as its schema says', (code) => {
    const { status, headers, envelope } = answerOf(new LeaseholdError({ code, message: 'm', details: { field: 'x' } }));
    const withCode = status === 401 ? { ...envelope, error_code: 'malformed_token' } : envelope;
    expect(withCode).toEqual(errorSchema(status).parse(withCode));
    expect(envelope.agent_action).toMatch(/^Tell the user .* https:\/\/\S+$/);
    expect(envelope.agent_action.length).toBeLessThan(280);
    expect(headers['Retry-After'] !== undefined).toBe([429, 502, 503, 504].includes(status));
    expect(envelope.upgrade_url !== undefined).toBe(status === 402 || code === 'provision_limit_reached');
  });

  it('keeps the agent action short whatever the address', () => {
    const long = { baseUrl: `https://${'a'.repeat(200)}.example`, upgradeUrl: `https://${'a'.repeat(200)}.example` };
    const { envelope } = errorAnswer(new LeaseholdError({ code: 'unauthorized', message: 'm' }), { requestId: 'r', urls: long, nowMs: 0 });
    expect(envelope.agent_action.length).toBeLessThan(280);
    expect(envelope.agent_action).toContain(long.baseUrl);
  });

  it('waits for the next day where provisions are counted by the day', () => {
    expect(answerOf(new LeaseholdError({ code: 'provision_limit_reached', message: 'm' })).envelope.retry_after_seconds).toBe(60);
  });
});

describe('what was thrown', () => {
  it.each<[string, unknown, ErrorCode]>([
    ['a failed update', new WorkflowUpdateFailedError('x', ApplicationFailure.nonRetryable('m', 'already_paused')), 'already_paused'],
    [
      'an update of a closed run',
      new WorkflowUpdateFailedError('x', ApplicationFailure.nonRetryable('m', 'AcceptedUpdateCompletedWorkflow')),
      'temporarily_unavailable',
    ],
    ['no orchestrator', new ServiceError('x', { cause: new Error('14') }), 'temporarily_unavailable'],
    ['no database', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'temporarily_unavailable'],
    [
      'no database, on two addresses',
      new AggregateError([Object.assign(new Error('c'), { code: 'ECONNREFUSED' })]),
      'temporarily_unavailable',
    ],
    ['a database that shuts down', Object.assign(new Error('terminating'), { code: '57P01' }), 'temporarily_unavailable'],
    ['a broken statement', Object.assign(new Error('syntax'), { code: '42601' }), 'internal_error'],
    ['a body that is no JSON', Object.assign(new Error('x'), { status: 400, type: 'entity.parse.failed' }), 'invalid_json'],
    ['a body that is too large', Object.assign(new Error('x'), { status: 413 }), 'payload_too_large'],
    ['a bad path', Object.assign(new URIError('x'), { status: 400 }), 'invalid_request'],
    ['anything', 'text', 'internal_error'],
  ])('%s', (_what, thrown, code) => {
    const error = toLeaseholdError(thrown);
    expect(error.code).toBe(code);
    if (code === 'internal_error') expect(error.message).toBe('Something failed on our side.');
  });
});

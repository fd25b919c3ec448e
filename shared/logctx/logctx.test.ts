import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { Logger as SdkLogger } from '@temporalio/common';
import { createLogger, currentContext, type LogLevel, temporalLogger, withContext } from './index';

function capture(level?: LogLevel) {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      for (const line of String(chunk).trimEnd().split('\n')) lines.push(JSON.parse(line));
      done();
    },
  });
  return { lines, logger: createLogger({ process: 'api', level, stream }) };
}

describe('withContext', () => {
  it('merges, follows what is awaited, and ends', async () => {
    await withContext({ request_id: 'r', team_id: 't' }, async () => {
      await Promise.resolve();
      withContext({ team_id: 'u', resource_id: 'x', trace_id: undefined }, () => {
        expect(currentContext()).toEqual({ request_id: 'r', team_id: 'u', resource_id: 'x' });
      });
      expect(currentContext()).toEqual({ request_id: 'r', team_id: 't' });
    });
    expect(currentContext()).toEqual({});
  });

  it('keeps two at once apart', async () => {
    const seen = await Promise.all(
      ['a', 'b'].map((id) =>
        withContext({ request_id: id }, async () => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return currentContext().request_id;
        }),
      ),
    );
    expect(seen).toEqual(['a', 'b']);
  });
});

describe('createLogger', () => {
  it('writes process, commit and context in every line', () => {
    const { lines, logger } = capture();
    withContext({ request_id: 'r', workflow_id: 'resource/1' }, () => logger.info('made', { kind: 'postgres' }));
    logger.child({ component: 'relay' }).warn('slow');
    expect(lines).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'info',
        process: 'api',
        commit_id: 'dev',
        request_id: 'r',
        workflow_id: 'resource/1',
        kind: 'postgres',
        message: 'made',
      },
      { time: expect.any(String), level: 'warn', process: 'api', commit_id: 'dev', component: 'relay', message: 'slow' },
    ]);
  });

  it('writes what its level allows', () => {
    const { lines, logger } = capture('warn');
    logger.debug('a');
    logger.info('b');
    logger.warn('c');
    logger.error('d');
    expect(lines.map((line) => line.message)).toEqual(['c', 'd']);
  });

  it('opens errors and shows no secret', () => {
    const { lines, logger } = capture();
    const error = new Error('at postgres://u:hunter2@h/d', { cause: new TypeError('Bearer hunter2') });
    logger.error('failed with redis://:hunter2@h', error);
    logger.error('again', { error, password: 'hunter2', rows: 1n });
    expect(lines[0]).toMatchObject({
      message: 'failed with redis://:[REDACTED]@h',
      error: {
        name: 'Error',
        message: 'at postgres://u:[REDACTED]@h/d',
        stack: expect.stringContaining('logctx.test'),
        cause: { name: 'TypeError', message: 'Bearer [REDACTED]', stack: expect.any(String) },
      },
    });
    expect(lines[1]).toMatchObject({ password: '[REDACTED]', rows: '1' });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });

  it('lets no field take the place of its own', () => {
    const { lines, logger } = capture();
    logger.info('%s stays', { message: 'other', level: 'error', process: 'worker', time: 0, splat: [1] });
    expect(lines).toMatchObject([{ message: '%s stays', level: 'info', process: 'api', message_: 'other', level_: 'error', splat: [1] }]);
  });

  it('survives what is no plain value', () => {
    const { lines, logger } = capture();
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    logger.info('odd', { loop });
    expect(lines).toMatchObject([{ loop: { loop: '[Circular]' } }]);
  });
});

describe('temporalLogger', () => {
  it('maps levels and fields', () => {
    const { lines, logger } = capture('debug');
    const sdk: SdkLogger = temporalLogger(logger);
    sdk.log('WARN', 'a', { workflowId: 'resource/77', runId: 'run', taskQueue: 'postgres', taskToken: 'hunter2', attempt: 2 });
    sdk.trace('b');
    sdk.debug('b');
    sdk.info('b');
    sdk.warn('b');
    sdk.error('c', { workflowId: 'sweep', error: new Error('x') });
    expect(lines).toMatchObject([
      {
        level: 'warn',
        message: 'a',
        workflow_id: 'resource/77',
        run_id: 'run',
        resource_id: '77',
        task_queue: 'postgres',
        task_token: '[REDACTED]',
        attempt: 2,
      },
      { level: 'debug', message: 'b' },
      { level: 'debug', message: 'b' },
      { level: 'info', message: 'b' },
      { level: 'warn', message: 'b' },
      { level: 'error', message: 'c', workflow_id: 'sweep', error: { message: 'x' } },
    ]);
    expect(lines[5]).not.toHaveProperty('resource_id');
  });
});

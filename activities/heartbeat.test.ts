import { describe, expect, test } from '@jest/globals';
import { CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { withHeartbeat } from './heartbeat';

/** The failures here are meant: they need no log. */
const quietEnvironment = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('withHeartbeat', () => {
  test('beats at once and in every interval, and no more when the work is done', async () => {
    const environment = quietEnvironment();
    let beats = 0;
    environment.on('heartbeat', () => {
      beats += 1;
    });
    const answer = await environment.run(() =>
      withHeartbeat(async () => {
        while (beats < 3) await sleep(5);
        return 'done';
      }, 10),
    );
    expect(answer).toBe('done');
    const seen = beats;
    expect(seen).toBeGreaterThanOrEqual(3);
    await sleep(30);
    expect(beats).toBe(seen);
  });

  test('ends with CancelledFailure and aborts the work when it is cancelled', async () => {
    const environment = quietEnvironment();
    let aborted = false;
    const run = environment.run(() =>
      withHeartbeat((signal) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise<never>(() => {});
      }),
    );
    environment.cancel();
    await expect(run).rejects.toBeInstanceOf(CancelledFailure);
    expect(aborted).toBe(true);
  });

  test("passes the work's own error on", async () => {
    const environment = quietEnvironment();
    await expect(environment.run(() => withHeartbeat(() => Promise.reject(new Error('own'))))).rejects.toThrow('own');
  });
});

import { describe, expect, test } from '@jest/globals';
import { Verifiers } from './verifiers';

const request = { resourceId: 'r', objectName: 'o', credentialVersion: 1 };

function counting(answers: (() => Promise<string>)[]) {
  const state = { derived: 0 };
  const verifiers = new Verifiers(() => {
    state.derived += 1;
    return (answers.shift() ?? (() => Promise.resolve(`verifier ${state.derived}`)))();
  });
  return { verifiers, state };
}

describe('verifiers ahead', () => {
  test('what was begun is handed out, once', async () => {
    const { verifiers, state } = counting([]);
    verifiers.begin(request);
    verifiers.begin(request);
    expect(await verifiers.take(request)).toBe('verifier 1');
    expect(state.derived).toBe(1);
    expect(await verifiers.take(request)).toBe('verifier 2');
  });

  test('another version, object or resource is another verifier', async () => {
    const { verifiers } = counting([]);
    verifiers.begin(request);
    expect(await verifiers.take({ ...request, credentialVersion: 2 })).toBe('verifier 2');
    expect(await verifiers.take({ ...request, objectName: 'p' })).toBe('verifier 3');
    expect(await verifiers.take({ ...request, resourceId: 's' })).toBe('verifier 4');
    expect(await verifiers.take(request)).toBe('verifier 1');
  });

  test('one that failed ahead is derived again', async () => {
    const { verifiers, state } = counting([() => Promise.reject(new Error('the database was away'))]);
    verifiers.begin(request);
    expect(await verifiers.take(request)).toBe('verifier 2');
    expect(state.derived).toBe(2);
  });
});

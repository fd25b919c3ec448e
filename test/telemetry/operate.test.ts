// The files under docs/operate: whole, and about metrics that exist.
import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createTransitionMetrics } from '../../activities/platform/lifecycle-metrics';
import { createUpkeepMetrics } from '../../activities/platform/upkeep';
import { Metrics } from '../../api/http/metrics';
import { FakeStore } from '../../api/testing/fakes';
import { guardProcess } from '../../shared/uncaught';
import { exposedNames, expressions, metricsOf, readDashboard, readRules } from '../harness/promql';

/** Scraped from the running product in test/system. */
const OF_OTHER_PROCESSES = /^(temporal_|leasehold_outbox_)/;

describe('alert rules', () => {
  it('are read strictly, and no name is there twice', () => {
    const names = readRules().groups.flatMap((group) => group.rules.map(({ alert }) => alert));
    expect(names.length).toBeGreaterThan(10);
    expect(new Set(names).size).toBe(names.length);
  });

  it('name only labels that their expression keeps', () => {
    for (const { alert, expr, annotations } of readRules().groups.flatMap((group) => group.rules)) {
      for (const [, label = ''] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
        expect({ alert, expr }).toMatchObject({ expr: expect.stringContaining(label) });
    }
  });
});

it('the dashboard’s panels have ids of their own and do not overlap', () => {
  const { panels } = readDashboard();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map(({ gridPos }) => `${gridPos.x},${gridPos.y}`)).size).toBe(panels.length);
});

it.each([
  ['sum(rate(a_total[5m])', 'a bracket stays open'],
  ['sum(rate(a_total[5m]))) > 1', 'do not match'],
  ['rates(a_total[5m])', 'no function'],
  ['a_total ? 1', 'at 8'],
  ['1 + 1', 'no metric'],
])('what is wrong is seen: %s', (expression, message) => {
  expect(() => metricsOf(expression)).toThrow(message);
});

it('every metric of a rule or a panel exists in api or worker', async () => {
  const api = new Metrics(new FakeStore());
  const worker = new Registry();
  createTransitionMetrics(worker);
  createUpkeepMetrics(worker);
  const before = { exception: process.listeners('uncaughtException'), rejection: process.listeners('unhandledRejection') };
  guardProcess({ name: 'test', logger: { error: () => undefined }, registry: worker, end: () => undefined });
  for (const listener of process.listeners('uncaughtException'))
    if (!before.exception.includes(listener)) process.off('uncaughtException', listener);
  for (const listener of process.listeners('unhandledRejection'))
    if (!before.rejection.includes(listener)) process.off('unhandledRejection', listener);
  const exposed = exposedNames([await api.registry.metrics(), await worker.metrics()].join('\n'));
  const named = new Set(expressions().flatMap(metricsOf));
  const missing = [...named].filter((name) => !OF_OTHER_PROCESSES.test(name) && !exposed.has(name));
  expect(missing).toEqual([]);
  expect(named.size).toBeGreaterThan(15);
});

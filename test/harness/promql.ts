// What alert rules and dashboards say, read strictly: enough of PromQL to see that an expression is whole and which metrics it names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { ROOT } from './stack';

const duration = z.string().regex(/^\d+(ms|[smhdwy])$/);
const rule = z.strictObject({
  alert: z.string().regex(/^Leasehold[A-Z][A-Za-z]+$/),
  expr: z.string().min(1),
  for: duration.optional(),
  labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }),
  annotations: z.strictObject({ summary: z.string().min(1), description: z.string().min(1) }),
});
const ruleFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string().min(1), interval: duration.optional(), rules: z.array(rule).min(1) })).min(1),
});
const dashboard = z.looseObject({
  title: z.string(),
  uid: z.string(),
  schemaVersion: z.number(),
  panels: z.array(
    z.looseObject({
      id: z.number(),
      title: z.string(),
      gridPos: z.strictObject({ h: z.number(), w: z.number(), x: z.number(), y: z.number() }),
      targets: z.array(z.strictObject({ refId: z.string(), expr: z.string().min(1), legendFormat: z.string() })).min(1),
    }),
  ),
});

const AGGREGATIONS = new Set(['sum', 'min', 'max', 'avg', 'count']);
const FUNCTIONS = new Set(['rate', 'increase', 'histogram_quantile', 'absent']);
const WORDS = new Set(['by', 'on', 'and', 'or', 'unless', 'without', 'ignoring']);
/** One token after the other, without a gap: what is no token is no PromQL. */
const TOKEN =
  /\s+|"(?:[^"\\]|\\.)*"|\$__(?:rate_interval|range)|[a-zA-Z_:][a-zA-Z0-9_:]*|\d+(?:\.\d+)?(?:ms|[smhdwy])?|=~|!~|!=|==|>=|<=|[-+*/<>=(),[\]{}]/y;

export function readRules(): z.output<typeof ruleFile> {
  return ruleFile.parse(parse(readFileSync(join(ROOT, 'docs/operate/alerts.yaml'), 'utf8')));
}

export function readDashboard(): z.output<typeof dashboard> {
  return dashboard.parse(JSON.parse(readFileSync(join(ROOT, 'docs/operate/dashboard.json'), 'utf8')));
}

export function expressions(): string[] {
  const rules = readRules().groups.flatMap((group) => group.rules.map(({ expr }) => expr));
  return [...rules, ...readDashboard().panels.flatMap((panel) => panel.targets.map(({ expr }) => expr))];
}

/** The metrics that an expression selects. @throws Error where it is not whole */
export function metricsOf(expression: string): string[] {
  const tokens = tokensOf(expression);
  balance(tokens, expression);
  const metrics: string[] = [];
  let labels = 0;
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    if (token === '{') labels += 1;
    if (token === '}') labels -= 1;
    const before = tokens[index - 1];
    if (labels > 0 || !/^[a-zA-Z_:]/.test(token) || WORDS.has(token)) return;
    if (AGGREGATIONS.has(token) && (next === '(' || next === 'by')) return;
    if (FUNCTIONS.has(token) && next === '(') return;
    // The labels of `by (le, kind)`.
    if ((before === '(' || before === ',') && isGrouping(tokens, index)) return;
    if (next === '(') throw new Error(`${token} is no function that is known here: ${expression}`);
    metrics.push(token);
  });
  if (metrics.length === 0) throw new Error(`no metric in: ${expression}`);
  return metrics;
}

function tokensOf(expression: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < expression.length) {
    const at = TOKEN.lastIndex;
    const [token] = TOKEN.exec(expression) ?? [];
    if (token === undefined) throw new Error(`at ${at}: ${expression}`);
    if (token.trim() !== '') tokens.push(token);
  }
  return tokens;
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

function balance(tokens: readonly string[], expression: string): void {
  const open: string[] = [];
  for (const token of tokens) {
    const closing = CLOSING[token];
    if (closing !== undefined) open.push(closing);
    else if ([')', ']', '}'].includes(token) && open.pop() !== token) throw new Error(`brackets do not match: ${expression}`);
  }
  if (open.length > 0) throw new Error(`a bracket stays open: ${expression}`);
}

function isGrouping(tokens: readonly string[], index: number): boolean {
  const open = tokens.lastIndexOf('(', index);
  return ['by', 'on', 'without', 'ignoring'].includes(tokens[open - 1] ?? '');
}

/** The names of a scrape, with those that its histograms have besides. */
export function exposedNames(scrape: string): Set<string> {
  const names = new Set<string>();
  for (const [, name, type] of scrape.matchAll(/^# TYPE (\S+) (\w+)$/gm)) {
    if (name === undefined) continue;
    names.add(name);
    if (type === 'histogram') for (const suffix of ['bucket', 'sum', 'count']) names.add(`${name}_${suffix}`);
  }
  return names;
}

// `npm run chaos -- kinds|providers [--times 20]`: kills on a stack of its own; exit code 1 unless nothing was leaked, lost or doubled.
import { Command, InvalidArgumentError } from 'commander';
import { RESOURCE_KINDS, type ResourceKind } from '../../shared/resourcetype';
import { Stack } from '../harness/stack';
import { type ChaosReport, runChaos, subjectsOf } from './kinds';
import { chaosOfProviders } from './providers';

const say = (line: string) => process.stdout.write(`${line}\n`);

function times(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a whole number of 1 or more');
  return count;
}

function kinds(text: string): ResourceKind[] {
  const names = text.split(',');
  const known = RESOURCE_KINDS.filter((kind) => names.includes(kind));
  if (known.length !== names.length) throw new InvalidArgumentError(`any of ${RESOURCE_KINDS.join(',')}`);
  return known;
}

async function chaosOfKinds(options: { times: number; kinds: ResourceKind[] }): Promise<boolean> {
  const settings = {
    LEASEHOLD_KINDS: options.kinds.join(','),
    LEASEHOLD_POOL_REFILL: 'off',
    LEASEHOLD_REQUESTS_PER_MINUTE: '1000000',
    LEASEHOLD_RECEIVER_REQUESTS_PER_MINUTE: '1000000',
  };
  const stack = new Stack(settings, { secondHost: 'second' });
  try {
    await stack.start();
    say(`a stack of its own with two hosts is ready after ${(stack.startMs / 1000).toFixed(1)} s`);
    const victims = ['worker', 'host-local', 'host-second'];
    return passes(await runChaos({ stack, victims, waves: [{ subjects: subjectsOf(options.kinds) }], times: options.times, say }));
  } finally {
    await stack.dispose();
  }
}

function passes(report: ChaosReport): boolean {
  for (const { name, pings } of report.held) say(`${name}: a session was held over all kills, ${pings} commands`);
  for (const line of report.repeated) say(`sent again: ${line}`);
  for (const fault of report.faults) say(`FAULT ${fault}`);
  say(`${report.kills} kills, ${report.made} made and deleted`);
  say(report.faults.length === 0 ? 'pass: nothing leaked, lost or doubled; no held session dropped' : 'fail');
  return report.faults.length === 0;
}

const program = new Command('chaos').description('Processes are killed while they work.');
program
  .command('kinds')
  .description('kill -9 of the worker and of each host worker while every kind is being made and deleted')
  .option('--times <count>', 'rounds; each kills every victim twice', times, 20)
  .option('--kinds <list>', 'only these', kinds, [...RESOURCE_KINDS])
  .action(async (options: { times: number; kinds: ResourceKind[] }) => {
    process.exitCode = (await chaosOfKinds(options)) ? 0 : 1;
  });

program
  .command('providers')
  .description('kill -9 of the worker while a queue on each engine and a bucket on each store that runs here is being made and deleted')
  .option('--times <count>', 'rounds; each kills the worker twice for each of two or more groups', times, 20)
  .action(async (options: { times: number }) => {
    process.exitCode = passes(await chaosOfProviders({ times: options.times, say })) ? 0 : 1;
  });

program.parseAsync(process.argv).then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);

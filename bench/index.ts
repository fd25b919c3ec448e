// The benchmarks' command line: `npm run bench -- provision`. Each benchmark starts what it needs and prints one table.
import { Command, InvalidArgumentError } from 'commander';
import { RESOURCE_KINDS, type ResourceKind } from '../shared/resourcetype';
import { runDegradingBench } from './degrading';
import { runDensityBench } from './density';
import { kindsOf, runKindsBench } from './kinds';
import { type ProvisionOptions, runProvisionBench, SUBJECTS, type SubjectName } from './provision';

function counts(text: string): number[] {
  const list = text.split(',').map(Number);
  if (!list.every((count) => Number.isInteger(count) && count >= 1 && count <= 64))
    throw new InvalidArgumentError('write 1,4,16 (each 1 to 64)');
  return list;
}

function subjects(text: string): SubjectName[] {
  const names = text.split(',');
  const known = SUBJECTS.filter((name) => names.includes(name));
  if (known.length !== names.length) throw new InvalidArgumentError(`any of ${SUBJECTS.join(',')}`);
  return known;
}

function rounds(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a whole number of 1 or more');
  return count;
}

function kinds(text: string): ResourceKind[] {
  const known = kindsOf(text);
  if (known === null) throw new InvalidArgumentError(`any of ${RESOURCE_KINDS.join(',')}`);
  return known;
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 450) throw new InvalidArgumentError('a whole number up to 450');
  return number;
}

const program = new Command('bench').description('Benchmarks of Leasehold, each on servers of its own that are removed afterwards.');
program
  .command('provision')
  .description('POST /db/new, cold and from the warm pool, against bare SQL and the bare workflow engine in the same run')
  .option('--rounds <count>', 'measured rounds; every subject has its turn in each (default 5, with --short 2)', rounds)
  .option('--clients <list>', 'numbers of clients at once', counts, [1, 4, 16])
  .option('--subjects <list>', 'only these', subjects, [...SUBJECTS])
  .option('--short', 'fewer calls in each turn, for a quick look', false)
  .option('--cpu', 'also print the processor time of a call by process (Linux)', false)
  .option('--distinct-callers', 'each client calls from a network of its own, so that quota is counted (default: loopback, exempt)', false)
  .action((options: Omit<ProvisionOptions, 'rounds'> & { rounds?: number }) =>
    runProvisionBench({ ...options, rounds: options.rounds ?? (options.short ? 2 : 5) }),
  );

program
  .command('kinds')
  .description(
    'each kind from the request to the first command by its driver, against the backend by hand and the bare engine in the same run',
  )
  .option('--rounds <count>', 'measured rounds; everything has its turn in each', rounds, 20)
  .option('--kinds <list>', 'only these', kinds, [...RESOURCE_KINDS])
  .option('--cold', 'with nothing made ahead', false)
  .action(runKindsBench);
program
  .command('degrading')
  .description('databases made while another kind’s server hangs, against the same while it runs')
  .option('--rounds <count>', 'measured rounds', rounds, 4)
  .action(runDegradingBench);
program
  .command('density')
  .description('so many redis, mongodb and NATS resources alive at once: memory each, idle processor time of the control processes')
  .option('--redis <count>', 'resources', count, 200)
  .option('--mongodb <count>', 'resources', count, 200)
  .option('--queue <count>', 'resources', count, 200)
  .option('--idle <seconds>', 'how long nothing is done', rounds, 30)
  .action(({ idle, ...counts }: { redis: number; mongodb: number; queue: number; idle: number }) =>
    runDensityBench({ counts, idleSeconds: idle }),
  );

program.parseAsync(process.argv).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);

import { newNatsServerKeys } from '../servers/nats';

/** `node dist/stack/processes/nats-keys.js`: keys of a new NATS server, as lines of an environment file. Secrets: shown once, kept nowhere. */
async function main(): Promise<void> {
  for (const [name, value] of Object.entries(await newNatsServerKeys())) process.stdout.write(`${name}=${value}\n`);
}

main().catch((error) => {
  process.stderr.write(`leasehold: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});

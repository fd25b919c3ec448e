import { ensureNamespace } from '../temporal-namespace';

/** `node dist/stack/processes/namespace.js`: namespace, retention and search attributes on the Temporal of LEASEHOLD_TEMPORAL_ADDRESS. */
async function main(): Promise<void> {
  const address = process.env.LEASEHOLD_TEMPORAL_ADDRESS;
  if (!address) throw new Error('LEASEHOLD_TEMPORAL_ADDRESS is not set: give host:port of the Temporal frontend');
  const namespace = process.env.LEASEHOLD_TEMPORAL_NAMESPACE ?? 'leasehold';
  await ensureNamespace({ address, namespace });
  process.stdout.write(`namespace ${namespace} is prepared\n`);
}

main().catch((error) => {
  process.stderr.write(`leasehold: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});

import { processEnvironment, readConfig } from '../../shared/config';
import { ensureNamespace } from '../temporal-namespace';

/** `node dist/stack/processes/namespace.js`: namespace, retention and search attributes on the Temporal of LEASEHOLD_TEMPORAL_ADDRESS. */
async function main(): Promise<void> {
  const { LEASEHOLD_TEMPORAL_ADDRESS: address, LEASEHOLD_TEMPORAL_NAMESPACE: namespace } = readConfig('namespace', processEnvironment());
  await ensureNamespace({ address, namespace });
  process.stdout.write(`namespace ${namespace} is prepared\n`);
}

main().catch((error) => {
  process.stderr.write(`leasehold: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});

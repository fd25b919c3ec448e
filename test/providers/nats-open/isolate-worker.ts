// A worker that only moves one tenant, for the test that kills it.
import { type IsolationPlaces, isolationOver, isolationRequest } from './isolate-harness';

const { objectName, ...places } = JSON.parse(process.env.LEASEHOLD_TEST_ISOLATION ?? '{}') as IsolationPlaces & { objectName: string };

process.send?.('begins');
void isolationOver(places)
  .copyToIsolated(isolationRequest(objectName))
  .then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );

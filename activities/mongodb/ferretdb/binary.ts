// The FerretDB program: there, and of the version whose behaviour this room relies on.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ProviderMisconfigured } from '../../errors';

const run = promisify(execFile);
/** 2.x needs an extension of Postgres that is not here; before 1.24 there is no SCRAM; without our patch tenants break out. */
const FIT = [/^version: v?1\.24\./m, /^package: leasehold-\d+$/m];
const checked = new Map<string, Promise<string>>();

/** Asked once for each program and process. */
export function prepareBinary(binary: string | null): Promise<string> {
  if (binary === null)
    throw new ProviderMisconfigured(
      'there is no FerretDB: install Go 1.22 or newer, or give LEASEHOLD_FERRETDB_BIN (built with our patch)',
    );
  const known = checked.get(binary);
  if (known) return known;
  const check = checkBinary(binary).catch((error: unknown) => {
    checked.delete(binary);
    throw error;
  });
  checked.set(binary, check);
  return check;
}

async function checkBinary(binary: string): Promise<string> {
  const output = await run(binary, ['--version'], { env: {}, timeout: 10_000 }).then(
    ({ stdout }) => stdout,
    (error: Error) => {
      throw new ProviderMisconfigured(`${binary} does not run (${error.message.split('\n')[0]}): give LEASEHOLD_FERRETDB_BIN`);
    },
  );
  if (!FIT.every((pattern) => pattern.test(output)))
    throw new ProviderMisconfigured(`${binary} is not FerretDB 1.24 with our patch: unset LEASEHOLD_FERRETDB_BIN, and it is built`);
  return binary;
}

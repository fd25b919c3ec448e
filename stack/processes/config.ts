import { runConfigCommand } from '../config-command';

// `npm run config`: what the configuration is, and what is wrong with it.
runConfigCommand(process.argv).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`leasehold: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);

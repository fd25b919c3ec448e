import { runCli } from '../cli';

// Exit, not only an exit code: a client library's idle socket must not keep a stopped stack alive.
runCli(process.argv).then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`leasehold: ${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  },
);

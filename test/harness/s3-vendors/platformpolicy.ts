// The policy of the platform's own user as docs/storage-vendors.md prints it, so that what is printed is what the double enforces.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Policy } from './policy';

interface PrintedStatement {
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource: string | string[];
}

export function platformPolicy({ partition, account, installationId }: Record<'partition' | 'account' | 'installationId', string>): Policy {
  const page = readFileSync(join(__dirname, '../../../docs/storage-vendors.md'), 'utf8');
  const [, printed = ''] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
  const text = printed
    .replaceAll('<installation>', installationId)
    .replaceAll('<account>', account)
    .replaceAll('arn:aws:', `arn:${partition}:`);
  const { Version, Statement } = JSON.parse(text) as { Version: string; Statement: PrintedStatement[] };
  return {
    Version,
    Statement: Statement.map(({ Effect, Action, Resource }) => ({ Effect, Action: [Action].flat(), Resource: [Resource].flat() })),
  };
}

// The part of AWS' policy language that Leasehold writes, evaluated: a deny wins, what nothing allows is refused.
export interface Question {
  action: string;
  resource: string;
  /** Of a listing. */
  prefix?: string;
  principal: string;
}

interface Statement {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Action: string[];
  Resource: string[];
  Principal?: { AWS: string[] };
  Condition?: Record<string, Record<string, string[]>>;
}

export interface Policy {
  Version: string;
  Statement: Statement[];
}

export function allows(policies: readonly Policy[], question: Question): boolean {
  return policies.some(({ Statement }) => Statement.some((statement) => statement.Effect === 'Allow' && applies(statement, question)));
}

export function denies(policies: readonly Policy[], question: Question): boolean {
  return policies.some(({ Statement }) => Statement.some((statement) => statement.Effect === 'Deny' && applies(statement, question)));
}

function applies({ Action, Resource, Principal, Condition }: Statement, question: Question): boolean {
  if (Principal !== undefined && !Principal.AWS.includes(question.principal)) return false;
  if (!Action.some((pattern) => like(pattern, question.action))) return false;
  if (!Resource.some((pattern) => like(pattern, question.resource))) return false;
  for (const [operator, keys] of Object.entries(Condition ?? {})) {
    if (operator !== 'StringLike' || Object.keys(keys).join() !== 's3:prefix') throw new Error(`the double knows no condition ${operator}`);
    const { prefix } = question;
    if (prefix === undefined || !(keys['s3:prefix'] ?? []).some((pattern) => like(pattern, prefix))) return false;
  }
  return true;
}

function like(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

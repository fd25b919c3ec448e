/** A failure whose message is the one line the operator sees: what went wrong and how to mend it. */
export class StackError extends Error {
  override name = 'StackError';
}

/** One line of whatever was thrown; drivers put newlines and nested causes into theirs. */
export function oneLine(error: unknown): string {
  const causes = error instanceof AggregateError ? error.errors.map(oneLine).join('; ') : '';
  const message = error instanceof Error ? error.message : String(error);
  return (message || causes || 'unknown error').replace(/\s*\n\s*/g, ' ').trim();
}

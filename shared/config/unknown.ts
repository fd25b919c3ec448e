// Finds variables that look like ours and are not: a misspelt name would otherwise be ignored without a word.
import { CATALOGUE, variableOf } from './catalogue';
import type { Environment } from './environment';

const OURS = 'LEASEHOLD_';
/** Set by tests for their own processes. */
const OF_TESTS = /^LEASEHOLD_(TEST_|RECORD_|ATTACK_)/;
/** Beyond this many edits a suggestion would be a guess. */
const MAX_EDITS = 6;

/**
 * One line for each `LEASEHOLD_*` that nobody reads.
 * @param alsoKnown what backends.yaml names
 */
export function unknownVariables(environment: Environment, alsoKnown: readonly string[] = []): string[] {
  const known = [...Object.keys(CATALOGUE), ...alsoKnown];
  return environment.names
    .filter((name) => name.startsWith(OURS) && !OF_TESTS.test(name) && !isKnown(name, alsoKnown))
    .sort()
    .map((name) => {
      const nearest = nearestName(name, known);
      return `${name} is not known, nobody reads it${nearest === undefined ? '' : `: did you mean ${nearest}?`}`;
    });
}

function isKnown(name: string, alsoKnown: readonly string[]): boolean {
  if (variableOf(name) !== undefined || alsoKnown.includes(name)) return true;
  const base = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : undefined;
  return base !== undefined && (variableOf(base)?.secret === true || alsoKnown.includes(base));
}

export function nearestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((other) => ({ other, edits: editDistance(name, other) })).sort((a, b) => a.edits - b.edits);
  const [first] = ranked;
  return first !== undefined && first.edits <= MAX_EDITS ? first.other : undefined;
}

/** Levenshtein's: insertions, deletions and replacements from one to the other. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}

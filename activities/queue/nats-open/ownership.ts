// Whose a stream on an open server is: nothing but its name and its subjects can say so.
import { isObjectName } from '../../../shared/resourcetype';

export interface NamedStream {
  name: string;
  subjects?: readonly string[];
}

/** What a tenant's subjects begin with. */
export function subjectPrefix(objectName: string): string {
  return `${objectName}.`;
}

/**
 * The object whose subjects the stream holds, all of them; null when they are nobody's or several tenants'. One without subjects, which
 * mirrors another, goes by its name: `<object>_...`.
 */
export function objectOfStream({ name, subjects = [] }: NamedStream): string | null {
  if (subjects.length === 0) return ownedName(/^(lh[a-z2-7]{8}_[a-z2-7]{24})(?:[_-]|$)/.exec(name)?.[1]);
  const owners = new Set(subjects.map((subject) => subject.split('.', 1)[0]));
  return owners.size === 1 ? ownedName([...owners][0]) : null;
}

function ownedName(text: string | undefined): string | null {
  return text !== undefined && isObjectName(text) ? text : null;
}

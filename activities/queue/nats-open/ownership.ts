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
 * mirrors another, goes by its name: `<object>_...`. So do key-value buckets and object stores, whose subjects and names the client makes.
 */
export function objectOfStream({ name, subjects = [] }: NamedStream): string | null {
  if (subjects.length === 0) return objectOfName(name.replace(/^(?:KV|OBJ)_/, ''));
  const owners = new Set(subjects.map(objectOfSubject));
  return owners.size === 1 ? ([...owners][0] ?? null) : null;
}

/** A bucket's subjects are `$KV.<bucket>.>`, an object store's `$O.<bucket>.C.>` and `$O.<bucket>.M.>`. */
function objectOfSubject(subject: string): string | null {
  const [first = '', bucket = ''] = subject.split('.', 2);
  return first === '$KV' || first === '$O' ? objectOfName(bucket) : ownedName(first);
}

function objectOfName(name: string): string | null {
  return ownedName(/^(lh[a-z2-7]{8}_[a-z2-7]{24})(?:[_-]|$)/.exec(name)?.[1]);
}

function ownedName(text: string | undefined): string | null {
  return text !== undefined && isObjectName(text) ? text : null;
}

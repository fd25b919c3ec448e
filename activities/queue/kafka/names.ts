// What of a Kafka cluster belongs to which tenant, by name alone.
import { isObjectName } from '../../../shared/resourcetype';
import { loginName, loginVersion, objectNameOf } from '../../names';

/** Topics, groups and transactional ids begin with it. The dot ends it: no object's name is the beginning of another's. */
export function prefixOf(objectName: string): string {
  return `${objectName}.`;
}

export const loginOf = loginName;
export const versionOf = loginVersion;

/** The tenant that a topic, a group, a transactional id, a resource pattern or a user belongs to; null for none of ours. */
export function ownerOf(name: string): string | null {
  const dot = name.indexOf('.');
  if (dot < 0) return objectNameOf(name);
  const owner = name.slice(0, dot);
  return isObjectName(owner) ? owner : null;
}

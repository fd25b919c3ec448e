// Who may come in to one object: pure changes of one small state, and the access list that follows from it.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Fenced, ObjectMissing } from '../errors';
import { loginName } from '../names';

export const PLATFORM_USER = 'platform';

export const accessSchema = z.object({
  /** At most two, oldest first. The server is given the hash: the passwords are random. */
  logins: z.array(z.object({ version: z.number().int().positive(), sha256: z.string().regex(/^[0-9a-f]{64}$/) })),
  /** Nobody comes in, whatever else changes, until it is restored. */
  cut: z.boolean(),
  readOnly: z.boolean(),
});

export type Access = z.infer<typeof accessSchema>;

export const NO_ACCESS: Access = { logins: [], cut: false, readOnly: false };

export function sha256(password: string): string {
  return createHash('sha256').update(password, 'utf8').digest('hex');
}

export interface Login {
  version: number;
  password: string;
}

/** A new object's login; one that is there already gets the stored password again. */
export function withLogin(access: Access, { version, password }: Login): Access {
  const others = access.logins.filter((login) => login.version !== version);
  return { ...access, logins: sorted([...others, { version, sha256: sha256(password) }]) };
}

/**
 * The new version beside the one before; whatever is older ends.
 * @throws Fenced when a newer one is there
 */
export function rotated(access: Access, next: Login & { previousVersion: number | null }): Access {
  mustHaveLogin(access);
  if (access.logins.some((login) => login.version > next.version))
    throw new Fenced(`a newer credential than version ${next.version} is there`);
  const kept = access.logins.filter((login) => login.version === next.previousVersion || login.version === next.version);
  return withLogin({ ...access, logins: kept }, next);
}

export function retired(access: Access, version: number): Access {
  return { ...access, logins: access.logins.filter((login) => login.version !== version) };
}

/** @throws ObjectMissing for an object that was never made */
export function mustHaveLogin(access: Access): void {
  if (access.logins.length === 0) throw new ObjectMissing('there is nothing to give access to');
}

/** The arguments of `ACL SETUSER` behind the name; also a line of an access file. */
export function userRules(access: Access, login: Access['logins'][number], rules: string[]): string[] {
  return ['reset', access.cut ? 'off' : 'on', `#${login.sha256}`, ...rules];
}

export function aclFile(options: { objectName: string; access: Access; rules: string[]; platformPassword: string }): string {
  const { objectName, access, rules, platformPassword } = options;
  const tenants = access.logins.map((login) => {
    // A file knows no `reset`: each user begins with nothing.
    return `user ${loginName(objectName, login.version)} ${userRules(access, login, rules).slice(1).join(' ')}`;
  });
  const platform = `user ${PLATFORM_USER} on #${sha256(platformPassword)} ~* &* +@all`;
  return `${['user default off', platform, ...tenants].join('\n')}\n`;
}

function sorted(logins: Access['logins']): Access['logins'] {
  return logins.sort((a, b) => a.version - b.version);
}

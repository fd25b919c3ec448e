// Names on a MongoDB server: the object's name is its database's, and a credential version is a user of that database.
import { ProviderMisconfigured } from '../errors';

const USER = /^(lh[a-z2-7]{8}_[a-z2-7]{24})_([1-9][0-9]{0,8})$/;

export function userName(objectName: string, version: number): string {
  const name = `${objectName}_${version}`;
  if (!USER.test(name)) throw new ProviderMisconfigured(`not a user's name: ${JSON.stringify(name)}`);
  return name;
}

/** Null when it is no user of that object. */
export function versionOfUser(user: string, objectName: string): number | null {
  const match = USER.exec(user);
  return match?.[1] === objectName ? Number(match[2]) : null;
}

// How objects on backends are called: `lh<installation>_<24 base32>`, and `<object>_<version>` for the login of a credential version.

const INSTALLATION_ID = /^[a-z2-7]{8}$/;
const OBJECT_NAME = /^lh[a-z2-7]{8}_[a-z2-7]{24}$/;
const LOGIN_NAME = /^(lh[a-z2-7]{8}_[a-z2-7]{24})_([1-9][0-9]{0,8})$/;

export function isInstallationId(text: string): boolean {
  return INSTALLATION_ID.test(text);
}

/** Every name of the installation begins so. */
export function objectNamePrefix(installationId: string): string {
  return `lh${installationId}_`;
}

export function isObjectName(text: string): boolean {
  return OBJECT_NAME.test(text);
}

export function loginName(objectName: string, version: number): string {
  return `${objectName}_${version}`;
}

/** Null for what is no login's name. */
export function parseLoginName(text: string): { objectName: string; version: number } | null {
  const match = LOGIN_NAME.exec(text);
  return match?.[1] === undefined ? null : { objectName: match[1], version: Number(match[2]) };
}

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Environment } from '../shared/config';
import { StackError } from './errors';
import { writePrivateFile } from './paths';

/** What is generated on the first start. Losing the keyring loses every stored credential: back the file up with the data. */
export interface Secrets {
  postgresPlatformRoot: string;
  postgresPlatformOwner: string;
  postgresPlatformApp: string;
  postgresTenantsAdmin: string;
  redisPlatform: string;
  webhookInbox: string;
  keyring: string;
  jwtKeys: string;
  bootstrapApiKey: string;
  operatorKey: string;
  installationId: string;
}

const FROM_ENVIRONMENT: Partial<Record<keyof Secrets, string>> = {
  keyring: 'LEASEHOLD_KEYRING',
  jwtKeys: 'LEASEHOLD_JWT_KEYS',
  bootstrapApiKey: 'LEASEHOLD_BOOTSTRAP_API_KEY',
  operatorKey: 'LEASEHOLD_OPERATOR_KEY',
  installationId: 'LEASEHOLD_INSTALLATION_ID',
};

/** Reads secrets.json, adding what is missing; the environment wins over the file and is never written to it. */
export function loadSecrets(home: string, env: NodeJS.ProcessEnv | Environment): Secrets {
  const environment = env instanceof Environment ? env : new Environment(env);
  const file = join(home, 'secrets.json');
  const stored = existsSync(file) ? parse(file) : {};
  const complete: Secrets = { ...generate(), ...stored };
  if (Object.keys(complete).some((name) => !(name in stored))) writePrivateFile(file, `${JSON.stringify(complete, null, 2)}\n`);
  for (const [name, variable] of Object.entries(FROM_ENVIRONMENT)) {
    const value = environment.text(variable)?.trim();
    if (value) complete[name as keyof Secrets] = value;
  }
  return complete;
}

function parse(file: string): Partial<Secrets> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new StackError(`${file} is not JSON: restore it from a backup; without its keyring stored credentials cannot be read`);
  }
}

function generate(): Secrets {
  const password = () => randomBytes(24).toString('base64url');
  return {
    postgresPlatformRoot: password(),
    postgresPlatformOwner: password(),
    postgresPlatformApp: password(),
    postgresTenantsAdmin: password(),
    redisPlatform: password(),
    webhookInbox: password(),
    keyring: `k1:${randomBytes(32).toString('base64')}`,
    jwtKeys: `j1:${randomBytes(32).toString('base64')}`,
    bootstrapApiKey: `lh_${base32(40)}`,
    operatorKey: `lhop_${base32(40)}`,
    installationId: base32(8),
  };
}

export function base32(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(length), (byte) => alphabet[byte % 32]).join('');
}

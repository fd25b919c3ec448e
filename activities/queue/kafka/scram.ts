// A password as Kafka keeps it: salted and hashed here, so that the server never hears the password itself.
import { pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { type alterUserScramCredentialsV0, ScramMechanisms } from '@platformatic/kafka';

const ITERATIONS = 4_096;
const KEY_BYTES = 64;

export async function scramUpsertion(
  name: string,
  password: string,
): Promise<alterUserScramCredentialsV0.AlterUserScramCredentialsRequestUpsertions> {
  const salt = randomBytes(32);
  const saltedPassword = await promisify(pbkdf2)(password, salt, ITERATIONS, KEY_BYTES, 'sha512');
  return { name, mechanism: ScramMechanisms.SCRAM_SHA_512, iterations: ITERATIONS, salt, saltedPassword };
}

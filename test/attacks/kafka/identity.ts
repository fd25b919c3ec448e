// Coming in as somebody else, by another door, or as nobody.
import { Connection, describeClusterV1, NetworkError, type SASLOptions } from '@platformatic/kafka';
import { parseKafkaAdminUrl } from '../../../shared/queueprovider';
import type { KafkaPort } from '../../../stack/servers/kafka';
import type { Attack } from '../attack';
import { eventually, mustRefuse, type Outcome, type World } from './world';

const ANSWERS_WITHIN_MS = 20_000;
/** Whom DescribeCluster asks about: a broker knows brokers, a controller knows controllers. */
const ENDPOINT = { '': 1, platform: 1, controller: 2 } as const;

export function identityAttacks({ attacker, victim, harness: { server } }: World): Attack[] {
  const { username, password } = attacker.place;
  const platform = parseKafkaAdminUrl(server.adminUrl);
  const rightful = (port: KafkaPort): SASLOptions =>
    port === ''
      ? { mechanism: 'SCRAM-SHA-512', username, password }
      : { mechanism: 'PLAIN', username: platform.username, password: platform.password };
  /** The same knock with the right credential, so that a door that is shut to everybody proves nothing. */
  const knock = async (port: KafkaPort, outcome: Promise<Outcome>): Promise<Outcome> => {
    const answer = await outcome;
    if (answer === 'refused') await eventually(() => enter(server.ports[port], port, rightful(port)));
    return answer;
  };
  const refuses = (name: string, port: KafkaPort, login: Partial<SASLOptions>, answer = 'SASL_AUTHENTICATION_FAILED'): Attack => ({
    name,
    run: () => {
      const entering = enter(server.ports[port], port, { ...rightful(''), ...login } as SASLOptions);
      return knock(port, mustRefuse(entering, 'it was let in', [answer]));
    },
  });
  const plain = { mechanism: 'PLAIN' } as const;
  const unknown = 'UNSUPPORTED_SASL_MECHANISM';
  return [
    refuses('a wrong password', '', { password: 'wrong' }),
    refuses('the neighbour’s name with one’s own password', '', { username: victim.place.username }),
    refuses('a version that was never issued', '', { username: `${attacker.request.objectName}_2` }),
    refuses('the platform’s name', '', { username: platform.username }),
    refuses('the platform’s own credential, at the tenants’ listener', '', { username: platform.username, password: platform.password }),
    refuses('one’s own credential, in the clear', '', plain, unknown),
    ...(['platform', 'controller'] as const).flatMap((port) => [
      refuses(`the ${port}’s listener`, port, plain),
      refuses(`the ${port}’s listener, as tenants log in`, port, {}, unknown),
      refuses(`the ${port}’s listener, by the platform’s name`, port, { ...plain, username: platform.username }),
    ]),
    ...(['', 'platform', 'controller'] as const).map(
      (port): Attack => ({
        name: `no login at all, at the ${port || 'tenants’'} listener`,
        run: () => knock(port, mustBeCutOff(enter(server.ports[port], port, null))),
      }),
    ),
  ];
}

/** Logs in, and asks what every listener answers, a controller's too. */
async function enter(listensAt: number, port: KafkaPort, sasl: SASLOptions | null): Promise<void> {
  const connection = new Connection('attacker', {
    connectTimeout: ANSWERS_WITHIN_MS,
    requestTimeout: ANSWERS_WITHIN_MS,
    ...(sasl ? { sasl } : {}),
  });
  // It says so besides rejecting.
  connection.on('error', () => undefined);
  try {
    await connection.connect('127.0.0.1', listensAt);
    await describeClusterV1.api.async(connection, false, ENDPOINT[port]);
  } finally {
    await connection.close();
  }
}

/** Whoever asks before a login gets no answer: the server ends the connection. Its silence would prove nothing. */
async function mustBeCutOff(trying: Promise<void>): Promise<Outcome> {
  try {
    await trying;
  } catch (error) {
    if (error instanceof NetworkError && error.message === 'Connection closed') return 'refused';
    throw error;
  }
  return { breached: 'it was let in' };
}

// Whether a RabbitMQ server suits: what it lacks is said with its remedy, before the first tenant finds out.
import type { KindLogger } from '../../backend';
import { ProviderMisconfigured } from '../../errors';
import type { RabbitmqManagement } from './management';

const OLDEST_VERSION = [3, 10] as const;
const NEEDED_FEATURES = ['user_limits', 'virtual_host_metadata'];
/** Kept in logs that are larger than any limit of a tenant's bytes. */
const LARGE_QUEUES = ['quorum_queue', 'stream_queue'];

export async function probeServer(backendName: string, management: RabbitmqManagement, logger: KindLogger): Promise<void> {
  const { rabbitmq_version: version } = await management.overview();
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_VERSION;
  const refuse = (why: string): never => {
    throw new ProviderMisconfigured(`${backendName}: ${why}`);
  };
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor))
    refuse(`RabbitMQ ${version} is too old: ${OLDEST_VERSION.join('.')} or newer is needed`);
  const { name, tags } = await management.whoAmI();
  if (!tags.includes('administrator')) refuse(`${name} may not administer it: rabbitmqctl set_user_tags ${name} administrator`);
  const features = await management.features();
  const missing = NEEDED_FEATURES.filter((feature) => !features.includes(feature));
  if (missing.length > 0) refuse(`${missing.join(' and ')} is off: rabbitmqctl enable_feature_flag ${missing[0]}`);
  const warn = (line: string) => logger.warn(line, { backend: backendName });
  if ((await management.userNames()).includes('guest'))
    warn('user guest is there, whose password everybody knows: rabbitmqctl delete_user guest');
  if (LARGE_QUEUES.some((feature) => features.includes(feature)))
    warn('tenants can declare quorum queues and streams, whose files outgrow their limits: watch the disk');
}

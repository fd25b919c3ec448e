// Finds Kafka: Java and the jars of an installed distribution, or those of its Maven artifact, brought into the cache once.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '../../shared/config';
import { oneLine, StackError } from '../errors';
import { onPath, run } from '../fetch/run';
import { packageRoot } from '../paths';

const VERSION = '4.1.0';
const LOG4J_VERSION = '2.24.3';
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';
/** Over the names and contents of all jars. */
const JARS_SHA256 = 'ed221617419d07bb7659b744f3b4c53389f757df65c937c410a73b099b49d884';
const OLDEST_JAVA = 17;
const OLDEST_KAFKA = [3, 9] as const;
const POLICY_SOURCE = 'TenantTopicPolicy.java';
const REMEDY = 'give LEASEHOLD_KAFKA_HOME of an installed one, or LEASEHOLD_KAFKA_ADMIN_URL of a running cluster';

export interface KafkaBinary {
  java: string;
  version: string;
  /** Folders of jars and classes, as Java's class path takes them. */
  classPath: string;
  /** Set when something was downloaded by this call. */
  fetchedSeconds?: number;
}

interface FindOptions {
  cacheDir: string;
  /** LEASEHOLD_KAFKA_HOME. */
  kafkaHome?: string;
  signal?: AbortSignal;
  onFetch?: (what: string) => void;
}

/** Where the jars are once they were fetched. */
export function cachedKafka(cacheDir: string): string {
  return join(cacheDir, `kafka-${VERSION}`);
}

/** @throws StackError with the remedy */
export async function findKafka(options: FindOptions): Promise<KafkaBinary> {
  const java = await findJava();
  const { libs, version, fetchedSeconds } = options.kafkaHome ? installed(options.kafkaHome) : await fetched(options);
  const policy = await compiledPolicy({ java, libs, version, cacheDir: options.cacheDir, signal: options.signal });
  return { java, version, classPath: `${join(libs, '*')}:${policy}`, fetchedSeconds };
}

async function findJava(): Promise<string> {
  const home = processEnvironment().JAVA_HOME;
  const found: string[] = [];
  for (const path of [...(home ? [join(home, 'bin', 'java')] : []), ...onPath('java')]) {
    const output = await run(path, ['--version'], { env: {} }).catch(() => '');
    const major = Number(/^\w+ (\d+)/.exec(output)?.[1]);
    if (major >= OLDEST_JAVA) return path;
    if (major) found.push(`Java ${major} at ${path}`);
  }
  const here = found.length === 0 ? 'no java is here' : `too old: ${found.join(', ')}`;
  throw new StackError(`Kafka needs Java ${OLDEST_JAVA} or newer (${here}): install a JDK, set JAVA_HOME, or ${REMEDY}`);
}

function installed(kafkaHome: string): { libs: string; version: string; fetchedSeconds?: number } {
  const libs = join(kafkaHome, 'libs');
  const jars = existsSync(libs) ? readdirSync(libs) : [];
  const version = jars.map((file) => /^kafka_[\d.]+-(\d+\.\d+\.\d+)\.jar$/.exec(file)?.[1]).find((found) => found !== undefined);
  if (version === undefined)
    throw new StackError(`LEASEHOLD_KAFKA_HOME=${kafkaHome} holds no libs/kafka_*.jar: point it at a Kafka distribution`);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST_KAFKA[0] || (major === OLDEST_KAFKA[0] && minor < OLDEST_KAFKA[1]))
    throw new StackError(`LEASEHOLD_KAFKA_HOME is Kafka ${version}: ${OLDEST_KAFKA.join('.')} or newer is needed`);
  return { libs, version };
}

async function fetched({ cacheDir, signal, onFetch }: FindOptions): Promise<{ libs: string; version: string; fetchedSeconds?: number }> {
  const libs = cachedKafka(cacheDir);
  if (existsSync(libs)) return { libs, version: VERSION };
  if (onPath('mvn').length === 0)
    throw new StackError(`Kafka is fetched with Maven, and there is no mvn on PATH: install maven, or ${REMEDY}`);
  onFetch?.(`kafka ${VERSION}`);
  const started = Date.now();
  mkdirSync(cacheDir, { recursive: true });
  const work = mkdtempSync(join(cacheDir, 'kafka-fetch-'));
  try {
    const jars = join(work, 'libs');
    writeFileSync(join(work, 'pom.xml'), POM);
    const goal = [`${PLUGIN}:copy-dependencies`, `-DoutputDirectory=${jars}`, '-DincludeScope=runtime'];
    await run('mvn', ['-q', '-B', '--strict-checksums', ...goal], { cwd: work, signal, env: processEnvironment() });
    const sum = checksum(jars);
    if (sum !== JARS_SHA256) throw new Error(`the jars are not those that are expected (sha256 ${sum})`);
    readableToAll(jars);
    keepFirst(jars, libs);
  } catch (error) {
    signal?.throwIfAborted();
    throw new StackError(`cannot fetch Kafka ${VERSION} with Maven (${oneLine(error)}): check the network, or ${REMEDY}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { libs, version: VERSION, fetchedSeconds: (Date.now() - started) / 1000 };
}

const POM = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>leasehold</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
`;

/** Compiled here, since the class is loaded by the server: a change of the source is another folder. */
async function compiledPolicy(options: {
  java: string;
  libs: string;
  version: string;
  cacheDir: string;
  signal?: AbortSignal;
}): Promise<string> {
  const { java, libs, version, cacheDir, signal } = options;
  const source = join(packageRoot(), 'stack', 'servers', 'kafka', POLICY_SOURCE);
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
  const target = join(cacheDir, `kafka-policy-${version}-${digest}`);
  if (existsSync(target)) return target;
  mkdirSync(cacheDir, { recursive: true });
  const work = mkdtempSync(join(cacheDir, 'kafka-policy-build-'));
  try {
    const classes = join(work, 'classes');
    mkdirSync(classes);
    copyFileSync(source, join(work, POLICY_SOURCE));
    const compiler = ['--module', 'jdk.compiler/com.sun.tools.javac.Main', '--release', String(OLDEST_JAVA)];
    const clients = join(libs, `kafka-clients-${version}.jar`);
    await run(java, [...compiler, '-cp', clients, '-d', classes, join(work, POLICY_SOURCE)], { signal, env: {} });
    readableToAll(classes);
    keepFirst(classes, target);
  } catch (error) {
    signal?.throwIfAborted();
    throw new StackError(`cannot compile Kafka's topic policy (${oneLine(error)}): a JDK is needed, not only a runtime; or ${REMEDY}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
}

function checksum(folder: string): string {
  const sum = createHash('sha256');
  for (const name of readdirSync(folder).sort()) {
    const jar = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
    sum.update(`${jar}  ${name}\n`);
  }
  return sum.digest('hex');
}

/** Whoever runs the server may be another user. */
function readableToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
}

/** Another process may have put its own there meanwhile; then that one stays. */
function keepFirst(made: string, target: string): void {
  try {
    renameSync(made, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  }
}

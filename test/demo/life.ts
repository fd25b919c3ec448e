// One resource's whole life as a caller sees it: by HTTP, and by the field's own driver with what the answers hold and nothing else.
import type { Granted, KindDriver, Session } from '../../bench/drivers';
import { inventory } from '../../bench/inventory';
import type { ResourceClient } from '../../bench/resources';
import type { BenchStack } from '../../bench/stack';

const VALUE = 'written before the pause';
const ENDS_WITHIN_MS = 10_000;

export const say = (line: string) => process.stdout.write(`${line}\n`);
export const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1000).toFixed(2)} s`;

/** What lives: a kind, or one engine or store of it. */
export interface Living {
  name: string;
  driver: KindDriver;
  granted: Granted;
}

export function step(name: string, what: string, began: number): void {
  say(`${name.padEnd(9)} ${what.padEnd(64)} ${seconds(began)}`);
}

async function timed<T>(name: string, what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  step(name, what, began);
  return result;
}

export function writesAndReads({ name, driver, granted }: Living): Promise<void> {
  return timed(name, `${driver.driver} wrote and read with what the answer holds`, () =>
    using(driver, granted, async (session) => {
      await session.write(VALUE);
      holds(await session.read());
    }),
  );
}

/** @param options.session open since before the pause: must end with it */
export async function pausesAndResumes(client: ResourceClient, living: Living, options: { session?: Session } = {}): Promise<void> {
  const { name, driver, granted } = living;
  const { session } = options;
  await timed(name, 'paused', () => client.pause(granted));
  if (session !== undefined) await timed(name, 'the session that was open has ended', () => hasEnded(session));
  await timed(name, `${driver.driver} is refused`, () => isRefused(driver, granted));
  await timed(name, 'resumed', () => client.resume(granted));
  await timed(name, `${driver.driver} finds the data`, () => finds(living));
}

/** @returns what is granted from now on */
export async function rotates(client: ResourceClient, { name, driver, granted }: Living): Promise<Granted> {
  const rotated = await timed(name, 'rotated', () => client.rotate(granted));
  if (JSON.stringify(rotated) === JSON.stringify(granted)) throw new Error('the credentials are the same after a rotation');
  await timed(name, `${driver.driver} finds the data with the new credentials`, () => finds({ name, driver, granted: rotated }));
  return rotated;
}

/** @param former every credential that it had */
export async function isDeleted(client: ResourceClient, { name, driver, granted }: Living, former: readonly Granted[]): Promise<void> {
  await timed(name, 'deleted, and its row says so', async () => {
    await client.remove(granted);
    await client.becomes(granted, 'deleted');
  });
  for (const credential of former) await isRefused(driver, credential);
  if (former.length > 0) say(`${name.padEnd(9)} ${driver.driver} is refused with every credential that it had`);
}

async function using(driver: KindDriver, granted: Granted, work: (session: Session) => Promise<void>): Promise<void> {
  const session = await driver.open(granted);
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

export const finds = ({ driver, granted }: Living) => using(driver, granted, async (session) => holds(await session.read()));

function holds(value: string): void {
  if (value !== VALUE) throw new Error(`"${VALUE}" was written and "${value}" is there`);
}

async function hasEnded(session: Session): Promise<void> {
  for (const deadline = Date.now() + ENDS_WITHIN_MS; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const serves = await session.ping().then(
      () => true,
      () => false,
    );
    if (!serves) return void (await session.close().catch(() => {}));
  }
  throw new Error(`a session that was open still serves ${ENDS_WITHIN_MS / 1000} s after the pause`);
}

async function isRefused(driver: KindDriver, granted: Granted): Promise<void> {
  const letIn = await using(driver, granted, (session) => session.ping()).then(
    () => true,
    () => false,
  );
  if (letIn) throw new Error(`${driver.driver} was let in to ${granted.id}`);
}

export async function nothingIsLeft(stack: BenchStack): Promise<void> {
  let left = 0;
  for (const [place, names] of await inventory(stack)) {
    say(`${place.padEnd(18)} ${names.length === 0 ? 'empty' : names.join(', ')}`);
    left += names.length;
  }
  if (left > 0) throw new Error(`${left} things are left on the servers`);
}

import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { endHostProcesses } from '../activities/host/end-all';
import { loadBackends } from '../shared/plans';
import { StackError } from './errors';
import { systemFolderOf, userBelow } from './postgres-place';
import type { Settings } from './settings';

/** A machine of backends.yaml that this one is. */
export interface LocalHost {
  name: string;
  directory: string;
  /** Of a range of its own: two hosts on one machine must not share a user. */
  firstUid: number;
  lastUid: number;
}

const UIDS_PER_HOST = 10_000;
const HOSTS_PER_INSTALLATION = 20;
const LOWEST_UID = 100_000_000;
const INSTALLATIONS = 9_000;
/** Of the 15 s that a stop has in all. */
const END_GRACE_MS = 3_000;

/** The hosts whose worker runs here: those that are named, else those that tenants reach on loopback; none without a wanted kind. */
export function localHosts(settings: Settings): LocalHost[] {
  const { hosts, backends } = loadBackends(settings.backends);
  const unknown = settings.hosts?.find((name) => !hosts.some((host) => host.name === name));
  if (unknown !== undefined) throw new StackError(`LEASEHOLD_HOSTS names ${unknown}, which is no host of ${settings.backends}`);
  const folder = hostsFolder(settings.home);
  const lowest = lowestUid(settings.home);
  return hosts
    .map(({ name, address }, index) => ({ name, address, first: lowest + (index % HOSTS_PER_INSTALLATION) * UIDS_PER_HOST }))
    .filter(({ name, address }) => settings.hosts?.includes(name) ?? isLoopback(address))
    .filter(({ name }) => backends.some(({ host, kind }) => host === name && settings.kinds.has(kind)))
    .map(({ name, first }) => ({ name, directory: join(folder, name), firstUid: first, lastUid: first + UIDS_PER_HOST - 1 }));
}

/** Two installations on one machine share no user either: ending what a user runs must not meet the other's tenants. */
function lowestUid(home: string): number {
  const place = createHash('sha256').update(home).digest().readUInt32BE(0) % INSTALLATIONS;
  return LOWEST_UID + place * HOSTS_PER_INSTALLATION * UIDS_PER_HOST;
}

/** Tenants' processes outlive their host worker, and not the stack's stop: the next start brings back what should run. */
export async function endTenantsProcesses(home: string): Promise<number> {
  const folder = hostsFolder(home);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const ended = await Promise.all(names.map((name) => endHostProcesses({ name, directory: join(folder, name) }, END_GRACE_MS)));
  return ended.reduce((sum, count) => sum + count, 0);
}

/** As root each tenant's process has a user of its own, which must be able to reach its folder. */
export function hostsFolder(home: string): string {
  const reachable = process.getuid?.() !== 0 || userBelow(home) !== undefined;
  return join(reachable ? home : systemFolderOf(home), 'hosts');
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || address.startsWith('127.');
}

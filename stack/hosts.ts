import { join } from 'node:path';
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

const FIRST_UID = 200_000;
const UIDS_PER_HOST = 10_000;

/** The hosts whose worker runs here: those that are named, else those that tenants reach on loopback. */
export function localHosts(settings: Settings): LocalHost[] {
  const { hosts } = loadBackends(settings.backends);
  const unknown = settings.hosts?.find((name) => !hosts.some((host) => host.name === name));
  if (unknown !== undefined) throw new StackError(`LEASEHOLD_HOSTS names ${unknown}, which is no host of ${settings.backends}`);
  const folder = hostsFolder(settings.home);
  return hosts
    .map(({ name, address }, index) => ({ name, address, first: FIRST_UID + index * UIDS_PER_HOST }))
    .filter(({ name, address }) => settings.hosts?.includes(name) ?? isLoopback(address))
    .map(({ name, first }) => ({ name, directory: join(folder, name), firstUid: first, lastUid: first + UIDS_PER_HOST - 1 }));
}

/** As root each tenant's process has a user of its own, which must be able to reach its folder. */
export function hostsFolder(home: string): string {
  const reachable = process.getuid?.() !== 0 || userBelow(home) !== undefined;
  return join(reachable ? home : systemFolderOf(home), 'hosts');
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || address.startsWith('127.');
}

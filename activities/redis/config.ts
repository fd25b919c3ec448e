// The configuration file of a server of a tenant's own. What may change while it runs is set on the running server too.
import type { ServerVersion } from './rules';

export interface OwnServerConfig {
  bindAddress: string;
  port: number;
  directory: string;
  aclFile: string;
  maxMemoryBytes: number;
}

const MEGABYTE = 1024 * 1024;
/** A plan without a limit still runs on a machine that has one. */
const UNLIMITED_MEMORY_MB = 4096;
/** What an empty server takes is not the tenant's: it counts nothing towards the plan. */
const EMPTY_SERVER_BYTES = 1.5 * MEGABYTE;
const FIXED_COST_BYTES = 48 * MEGABYTE;

export const MAX_CLIENTS = 1_000;
/** Its own files and the few that it opens anew, besides its clients. */
export const MAX_OPEN_FILES = MAX_CLIENTS + 64;
/** The server's own threads, and the child that rewrites its log. */
export const MAX_PROCESSES = 24;

export function maxMemoryBytes(memoryMb: number | null): number {
  const limited = memoryMb === null || memoryMb < 0 ? UNLIMITED_MEMORY_MB : memoryMb;
  return Math.round(limited * MEGABYTE + EMPTY_SERVER_BYTES);
}

/**
 * The hard cap, for what `maxmemory` does not stop: one script, buffers of clients. Twice the data, because the child that rewrites the
 * log has pages of its own while everything changes under it.
 */
export function memoryLimitBytes(maxMemory: number): number {
  return 2 * maxMemory + FIXED_COST_BYTES;
}

/**
 * The log is rewritten when it has doubled, so it is never near this; where rewriting fails again and again, it must not fill the disk. Whoever
 * reaches it is killed, and its log is rewritten at the next start.
 */
export function maxFileBytes(maxMemory: number): number {
  return 16 * maxMemory + 128 * MEGABYTE;
}

export function configFile(config: OwnServerConfig, version: ServerVersion): string {
  const lines = [
    `port ${config.port}`,
    `bind ${config.bindAddress}`,
    `dir ${quoted(config.directory)}`,
    `aclfile ${quoted(config.aclFile)}`,
    'daemonize no',
    'save ""',
    // Acknowledged = on disk, also when the machine loses power.
    'appendonly yes',
    'appendfsync always',
    'auto-aof-rewrite-min-size 4mb',
    `maxmemory ${config.maxMemoryBytes}`,
    'maxmemory-policy noeviction',
    `maxclients ${MAX_CLIENTS}`,
    'tcp-backlog 128',
    'client-output-buffer-limit pubsub 8mb 2mb 60',
    // RESTORE is the tenant's, and a forged dump must not become a forged object in memory.
    'sanitize-dump-payload yes',
    'slowlog-max-len 16',
    'acllog-max-len 16',
    // It wakes less often while it is idle; there may be hundreds on a machine.
    'hz 5',
    'loglevel warning',
    'crash-log-enabled no',
  ];
  if (version.major >= 7)
    lines.push('enable-debug-command no', 'enable-module-command no', 'enable-protected-configs no', 'latency-tracking no');
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

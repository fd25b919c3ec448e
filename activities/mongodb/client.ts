// The platform's own short connections to a MongoDB server.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, type MongoClientOptions, MongoServerError } from 'mongodb';
import { ProviderUnavailable } from '../errors';

const READY_MS = 20_000;
const POLL_MS = 8;

const OPTIONS: MongoClientOptions = {
  appName: 'leasehold',
  maxPoolSize: 2,
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  socketTimeoutMS: 30_000,
  // One look is enough for a client that lives for milliseconds.
  heartbeatFrequencyMS: 60_000,
  serverMonitoringMode: 'poll',
  retryReads: false,
  retryWrites: false,
};

export interface Login {
  host: string;
  port: number;
  user: string;
  password: string;
  /** Where the user is kept. */
  authSource: string;
}

/** The password is given beside the url: a driver may quote a url in what it throws. */
export async function withLogin<T>(login: Login, run: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://${login.host}:${login.port}/`, {
    ...OPTIONS,
    directConnection: true,
    auth: { username: login.user, password: login.password },
    authSource: login.authSource,
    authMechanism: 'SCRAM-SHA-256',
  });
  try {
    await client.connect();
    return await run(client);
  } finally {
    await client.close();
  }
}

export function adminClient(url: string): MongoClient {
  return new MongoClient(url, { ...OPTIONS, maxPoolSize: 8, heartbeatFrequencyMS: 10_000 });
}

/** Until somebody listens there. */
export async function waitForPort(address: { host: string; port: number }, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + READY_MS;
  while (!(await listens(address))) {
    signal?.throwIfAborted();
    if (Date.now() > deadline) throw new ProviderUnavailable(`nothing listens on port ${address.port} after ${READY_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

function listens({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}

const USER_NOT_FOUND = 11;
const COMMAND_NOT_FOUND = 59;
const USER_EXISTS = 51_003;

export const isUserMissing = (error: unknown): boolean => hasCode(error, USER_NOT_FOUND);
export const isUserThere = (error: unknown): boolean => hasCode(error, USER_EXISTS);

export const isCommandMissing = (error: unknown): boolean => hasCode(error, COMMAND_NOT_FOUND);

function hasCode(error: unknown, code: number): boolean {
  return error instanceof MongoServerError && error.code === code;
}

// Hears that a resource changed, so that its events leave at once. Best effort: the relay looks by itself as well.
import pg from 'pg';
import { RESOURCE_EVENTS_CHANNEL } from '../events';

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

export class ChangeListener {
  #client: pg.Client | null = null;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #isClosed = false;

  constructor(private readonly options: { url: string; applicationName: string; onChange: () => void }) {
    void this.#connect();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const { url, applicationName, onChange } = this.options;
    const client = new pg.Client({
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    this.#client = client;
    let isLost = false;
    const lost = () => {
      if (isLost) return;
      isLost = true;
      void client.end().catch(() => undefined);
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => void this.#connect(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', onChange);
    try {
      await client.connect();
      await client.query(`LISTEN ${RESOURCE_EVENTS_CHANNEL}`);
      this.#retryMs = FIRST_RETRY_MS;
      onChange();
    } catch {
      lost();
    }
  }
}

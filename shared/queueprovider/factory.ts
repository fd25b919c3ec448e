import type { QueueAuthMode, QueueCredentialProvider, QueueEngine } from './types';

/** What a backend is configured to be. */
export interface QueueBackendChoice {
  engine: QueueEngine;
  authMode: QueueAuthMode;
}

export type ProviderMaker = () => QueueCredentialProvider;

export interface QueueProviders {
  /** @throws Error with the remedy, for a backend that is not configured or whose engine nobody implements */
  of(backendName: string): QueueCredentialProvider;
  close(): Promise<void>;
}

const keyOf = ({ engine, authMode }: QueueBackendChoice): string => `${engine}/${authMode}`;

/**
 * The provider of each backend, made when it is first asked for; one provider serves all backends of its engine and mode.
 * Implementations come as a table, because whoever changes a tenant's object lives in activities.
 */
export function createQueueProviders(options: {
  implementations: Readonly<Partial<Record<`${QueueEngine}/${QueueAuthMode}`, ProviderMaker>>>;
  choiceOf: (backendName: string) => QueueBackendChoice | null;
}): QueueProviders {
  const makers = new Map(Object.entries(options.implementations));
  const made = new Map<string, QueueCredentialProvider>();
  return {
    of(backendName) {
      const choice = options.choiceOf(backendName);
      if (choice === null) throw new Error(`${backendName} is no queue backend of backends.yaml`);
      const key = keyOf(choice);
      const known = made.get(key);
      if (known) return known;
      const make = makers.get(key);
      if (!make) throw new Error(`${backendName}: no provider for engine ${choice.engine} with auth_mode ${choice.authMode} is here`);
      const provider = make();
      made.set(key, provider);
      return provider;
    },
    async close() {
      await Promise.all([...made.values()].map((provider) => provider.close()));
      made.clear();
    },
  };
}

// What the warm pool asks of a backend that can make items ahead.

export interface WarmItemRef {
  backendName: string;
  objectName: string;
}

/** Asked under the name's lock, when nobody else is making or unmaking it: false = leave it all as it is. */
export interface Guarded {
  onlyIf?: () => Promise<boolean>;
}

/** An item is everything a resource needs but a password; until it is claimed nobody can log in to it. */
export interface PoolMaker {
  /** What items are made from; an item is handed out only for the same template. */
  readonly template: string;
  /** The server's version as it names itself; an item is handed out only under the version that it was made by. */
  serverVersion(backendName: string): Promise<string>;
  /** Safe to repeat; leaves an item that is already claimed as it is. */
  createWarmItem(item: WarmItemRef & Guarded): Promise<void>;
  destroyWarmItem(item: WarmItemRef & Guarded): Promise<void>;
}

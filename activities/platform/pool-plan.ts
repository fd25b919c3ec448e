// What a pool needs, decided without I/O from what is there.

export type PoolItemState = 'creating' | 'ready' | 'claimed' | 'destroying';

export interface PoolItem {
  objectName: string;
  state: PoolItemState;
  kind: string;
  template: string;
  serverVersion: string;
  ageMs: number;
  /** What became of the resource that claimed it (`lost`: there is none, or it has another object); null while unclaimed. */
  claim: 'live' | 'terminal' | 'lost' | null;
}

export interface PoolWish {
  kind: string;
  template: string;
  /** Items that shall be ready to claim. */
  target: number;
  /** False = nothing is made or finished; what is obsolete still goes. */
  refill: boolean;
}

export interface PoolSituation {
  wish: PoolWish;
  backend: { ready: boolean; drained: boolean; serverVersion: string | null };
  /** Oldest first. */
  items: PoolItem[];
  /** An item that is being made for longer than this is given up. */
  giveUpAfterMs: number;
}

export interface PoolPlan {
  /** Left behind by an attempt that died: making them again completes them. */
  finish: string[];
  /** How many to begin. */
  make: number;
  destroy: string[];
  /** Claimed by resources that are gone, object and all: only the note of them goes. */
  forget: string[];
  ready: number;
}

function isObsolete(item: PoolItem, situation: PoolSituation): boolean {
  const { wish, backend } = situation;
  if (backend.drained || item.kind !== wish.kind || item.template !== wish.template) return true;
  return backend.serverVersion !== null && item.serverVersion !== backend.serverVersion;
}

export function decideRefill(situation: PoolSituation): PoolPlan {
  const { wish, backend, items } = situation;
  const plan: PoolPlan = { finish: [], make: 0, destroy: [], forget: [], ready: 0 };
  const ready: string[] = [];
  const creating: string[] = [];
  for (const item of items) {
    if (item.state === 'claimed') {
      if (item.claim === 'terminal') plan.forget.push(item.objectName);
      if (item.claim === 'lost') plan.destroy.push(item.objectName);
    } else if (item.state === 'destroying' || isObsolete(item, situation)) plan.destroy.push(item.objectName);
    else if (item.state === 'ready') ready.push(item.objectName);
    else if (item.ageMs > situation.giveUpAfterMs) plan.destroy.push(item.objectName);
    else creating.push(item.objectName);
  }
  // Whatever is beyond the target goes, the unfinished before the finished.
  const keptReady = ready.slice(0, wish.target);
  const keptCreating = creating.slice(0, wish.target - keptReady.length);
  plan.destroy.push(...creating.slice(keptCreating.length), ...ready.slice(keptReady.length));
  plan.ready = keptReady.length;
  const able = wish.refill && backend.ready && !backend.drained && backend.serverVersion !== null;
  if (!able) return plan;
  plan.finish = keptCreating;
  plan.make = wish.target - keptReady.length - keptCreating.length;
  return plan;
}

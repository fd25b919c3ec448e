// How often somebody may: counts in windows of time, in Redis, or in Postgres while there is no Redis.
export { StoredRateCounter, type StoredRateCounterOptions } from './counter';
export { type RateCounter, type RateDecision, type RateFigure, RateStoreAway } from './types';

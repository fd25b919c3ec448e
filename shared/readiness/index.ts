// Readiness: asks what this process depends on, remembers the answer for a while, and says it on /readyz, in metrics and in the log.
export {
  grpcCheck,
  type HttpCheckOptions,
  httpCheck,
  mongoCheck,
  natsCheck,
  postgresCheck,
  type RedisCheckOptions,
  redisCheck,
  temporalCheck,
} from './checks';
export {
  type CheckDefinition,
  type CheckFunction,
  type CheckOutcome,
  type CheckReport,
  type CheckStatus,
  httpStatus,
  type ReadinessLogger,
  ReadinessRegistry,
  type ReadinessRegistryOptions,
  type ReadinessReport,
} from './registry';
export type { TcpAddress } from './tcp';

// README: calls to addresses that tenants chose; resolves, checks every address, and connects to a checked one, on redirects too.
export { isCallable } from './addresses';
export {
  createEgress,
  type Egress,
  type EgressAnswer,
  EgressFailed,
  type EgressOptions,
  EgressRefused,
  type EgressRequest,
} from './send';

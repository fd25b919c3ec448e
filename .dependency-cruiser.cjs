// The arrows of docs/architecture.md; anything else is refused. The parser cannot tell a type from a value, so the rules that
// depend on it are in the second set, which is run over the compiled tree, where types are gone.
const compiled = process.env.CRUISE === 'compiled';
const PURE_SHARED = '^shared/(resourcestatus|resourcetype|errors)/|^shared/plans/types\\.[jt]s$';
const TESTS = '(\\.test\\.ts$|^test/)';

const sourceRules = [
  {
    name: 'shared-imports-no-room',
    comment: 'shared is below everything else',
    severity: 'error',
    from: { path: '^shared/', pathNot: TESTS },
    to: { path: '^(api|workflows|activities|stack)/' },
  },
  {
    name: 'api-knows-messages-only',
    comment: 'of the workflows the api sees names and types; of the activities nothing',
    severity: 'error',
    from: { path: '^api/', pathNot: TESTS },
    to: { path: '^(workflows|activities|stack)/', pathNot: '^workflows/[^/]+/messages\\.ts$' },
  },
  {
    name: 'api-without-worker',
    severity: 'error',
    from: { path: '^(api/|stack/processes/api\\.ts)' },
    to: { path: 'node_modules/@temporalio/worker' },
  },
  {
    name: 'activities-import-shared-only',
    comment: 'the names of another workflow’s messages are allowed: activities signal and start',
    severity: 'error',
    from: { path: '^activities/', pathNot: TESTS },
    to: { path: '^(api|workflows|stack)/', pathNot: '^workflows/[^/]+/messages\\.ts$' },
  },
  {
    name: 'rooms-have-one-face',
    comment: 'a room of shared is used through its index (workflows: plans/types)',
    severity: 'error',
    from: { path: '^(api|activities|workflows|stack|bench)/', pathNot: TESTS },
    to: { path: '^shared/[^/]+/', pathNot: '^shared/[^/]+/(index|types|backends)\\.ts$' },
  },
  {
    name: 'no-broker-or-driver-in-handlers',
    severity: 'error',
    from: { path: '^api/routes/' },
    to: { path: 'node_modules/(pg|ioredis|nats|@nats-io|amqplib|kafkajs|mongodb|nodemailer|@aws-sdk)/' },
  },
  { name: 'no-tests-in-product', severity: 'error', from: { pathNot: TESTS }, to: { path: TESTS } },
];

const compiledRules = [
  {
    name: 'handlers-reach-no-broker',
    comment: 'nobody but the relay publishes: not by way of a shared room either',
    severity: 'error',
    from: { path: '^api/routes/' },
    to: { path: 'node_modules/@nats-io/(transport-node|jetstream|nats-core)/', reachable: true },
  },
  { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  {
    name: 'workflows-import-pure-rooms-only',
    severity: 'error',
    from: { path: '^workflows/', pathNot: TESTS },
    to: { path: '^shared/', pathNot: PURE_SHARED },
  },
  {
    name: 'workflows-take-types-of-activities',
    severity: 'error',
    from: { path: '^workflows/', pathNot: TESTS },
    to: { path: '^(activities|api|stack)/' },
  },
  {
    name: 'workflows-are-deterministic',
    comment: 'no driver, no environment, no node built-in, no other package',
    severity: 'error',
    from: { path: '^workflows/', pathNot: TESTS },
    to: { dependencyTypes: ['npm', 'npm-dev', 'core'], pathNot: 'node_modules/@temporalio/(workflow|common)/' },
  },
];

module.exports = {
  forbidden: compiled ? compiledRules : sourceRules,
  options: {
    ...(compiled ? {} : { tsConfig: { fileName: 'tsconfig.json' }, parser: 'swc' }),
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|\\.leasehold/)' },
  },
};

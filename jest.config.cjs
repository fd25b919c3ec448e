// `unit` needs no server; `integration` and `system` get real servers from test/harness (started once for the run); `attack` is no part
// of `npm test`: it is the table that `npm run attack` prints. `providers` is a job of its own, `npm run test:providers`: each of its files
// starts the server that it needs.
const common = {
  testEnvironment: 'node',
  transform: {
    '^.+\\.tsx?$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }],
    // jose ships as ES modules only; jest's CommonJS runtime needs them compiled.
    '^.+/node_modules/(jose|@asteasolutions|@platformatic)/.+\\.js$': [
      '@swc/jest',
      { jsc: { target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(jose|@asteasolutions|@platformatic)/)'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.leasehold/'],
};

module.exports = {
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/{api,workflows,activities,shared,stack}/**/*.test.ts'],
      testPathIgnorePatterns: ['\\.integration\\.test\\.ts$'],
      setupFilesAfterEnv: ['<rootDir>/test/harness/patience.cjs'],
    },
    {
      ...common,
      displayName: 'integration',
      testMatch: ['<rootDir>/{api,workflows,activities,shared}/**/*.integration.test.ts', '<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['<rootDir>/test/system/', '<rootDir>/test/providers/'],
      setupFilesAfterEnv: ['<rootDir>/test/harness/patience.cjs'],
      globalSetup: '<rootDir>/test/harness/global-setup.ts',
      globalTeardown: '<rootDir>/test/harness/global-teardown.ts',
    },
    {
      ...common,
      displayName: 'system',
      setupFilesAfterEnv: ['<rootDir>/test/harness/patience.cjs'],
      testMatch: ['<rootDir>/test/system/**/*.test.ts'],
    },
    {
      ...common,
      displayName: 'providers',
      setupFilesAfterEnv: ['<rootDir>/test/harness/patience.cjs'],
      testMatch: ['<rootDir>/test/providers/**/*.test.ts'],
    },
    {
      ...common,
      displayName: 'attack',
      testMatch: ['<rootDir>/test/attacks/table.ts'],
      globalSetup: '<rootDir>/test/harness/global-setup.ts',
      globalTeardown: '<rootDir>/test/harness/global-teardown.ts',
    },
  ],
};

// The configuration: one catalogue of every environment variable, from which each process takes its part, typed and checked.
export { Environment, literally, presetEnvironment, processEnvironment } from './environment';
export { ConfigError } from './errors';
export { type ConfigFor, readConfig, variablesOf } from './read';
export { formatMarkdown, formatTable, reportConfig } from './report';
export { PROCESS_NAMES, type ProcessName } from './types';
export { unknownVariables } from './unknown';

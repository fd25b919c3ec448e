// What is wrong with the configuration.

/** One line that names the variable and the remedy, and holds no value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

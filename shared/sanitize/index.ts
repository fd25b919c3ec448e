// Takes secrets out of whatever is about to be logged or shown.
export { REDACTED, sanitizeText } from './text';
export { isSecretKey, sanitize } from './value';

// What an object store can answer, and its mapping to the failures of every kind.
import { isStoreError, KeyLost } from '../../shared/storageprovider';
import { isProviderError, ProviderMisconfigured, ProviderUnavailable, redactUrls } from '../errors';

/** No repetition cures these: the platform's key or its rights are wrong. */
const MISCONFIGURED = [
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AuthorizationHeaderMalformed',
  'MalformedPolicyDocument',
  // Of the platform's own session, of a region that is not the bucket's, of a name that another account has, of a vendor's own API.
  'ExpiredToken',
  'PermanentRedirect',
  'IllegalLocationConstraintException',
  'BucketAlreadyExists',
  'VendorApiRefused',
];

/** Code and message alone: the SDK's errors hold the whole answer besides. */
export function toStorageError(error: unknown): Error {
  if (isProviderError(error)) return error;
  if (error instanceof KeyLost) return new ProviderMisconfigured(error.message);
  const { name, message, code } = Object(error) as { name?: unknown; message?: unknown; code?: unknown };
  const words = redactUrls([name, message || code].filter(Boolean).join(': ') || 'unknown error');
  return isStoreError(error, ...MISCONFIGURED) ? new ProviderMisconfigured(words) : new ProviderUnavailable(words);
}

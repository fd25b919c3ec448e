// Opens what is stored encrypted, and makes of it what clients connect with.
import { z } from 'zod';
import { type Keyring, sealedFor } from '../../shared/crypto';
import type { ResourceKind } from '../../shared/resourcetype';
import type { StorageKey } from '../../shared/storageprovider';
import { ApiError } from '../errors';
import { CONNECTION_SHAPES } from '../schemas/connection';
import { type ConnectionFields, type ConnectionInput, PRESENT_CONNECTION, type PublicAddress } from './connections';
import type { ResourceWithCredential, StoredResource } from './store';

/** Where the outside reaches a backend; by the backend's name. */
export type PublicAddresses = ReadonlyMap<string, PublicAddress>;

/** The platform's own key of each object store; by the backend's name. */
export type StorageKeys = ReadonlyMap<string, StorageKey>;

export interface SecretReader {
  token(row: Pick<StoredResource, 'id' | 'token_encrypted'>): string;
  /** @throws ApiError internal_error when it cannot be opened or its backend is not configured here */
  connection(found: ResourceWithCredential): ConnectionFields;
  /** What the connection is made from, for what the api signs itself. @throws as `connection` */
  opened(found: ResourceWithCredential): ConnectionInput;
  /** The platform's own key of an object store, to sign with and to show to nobody. @throws ApiError when it is not configured here */
  storageKey(backendName: string): StorageKey;
}

const issuedSecrets = z.record(z.string(), z.string());

/** Only what the contract declares leaves: a field more that a provider kept beside its secrets does not. */
const SHAPES = new Map<ResourceKind, z.ZodType<ConnectionFields>>();
function shapeOf(kind: ResourceKind): z.ZodType<ConnectionFields> {
  const known = SHAPES.get(kind) ?? (z.object(CONNECTION_SHAPES[kind]) as z.ZodType<ConnectionFields>);
  SHAPES.set(kind, known);
  return known;
}

/** Everything of it is kept: it answers again once the backend is configured again. */
function notConfigured(backend: string): ApiError {
  return new ApiError({
    code: 'temporarily_unavailable',
    message: `The server that this resource lives on (${backend}) is not configured at the moment. Nothing of the resource is lost.`,
  });
}

export function createSecretReader(options: {
  keyring: Keyring;
  addresses: PublicAddresses;
  storageKeys: StorageKeys;
  /** How clients reach the api, without a slash at its end. */
  baseUrl: string;
  onFailure: (message: string, resourceId: string, cause: unknown) => void;
}): SecretReader {
  const fail = (message: string, resourceId: string, cause?: unknown): ApiError => {
    options.onFailure(message, resourceId, cause);
    return new ApiError({ code: 'internal_error', message: 'The credentials of this resource cannot be read at the moment.', cause });
  };
  const open = (text: string, associatedData: string, resourceId: string): string => {
    try {
      return options.keyring.decrypt(text, associatedData);
    } catch (error) {
      throw fail('stored secret does not decrypt', resourceId, error);
    }
  };
  const token: SecretReader['token'] = (row) => open(row.token_encrypted, sealedFor.token(row.id), row.id);
  const opened: SecretReader['opened'] = ({ resource, credential, details }) => {
    const { id } = resource;
    const address = options.addresses.get(resource.backend_name);
    if (address === undefined) throw notConfigured(resource.backend_name);
    if (credential === null) throw fail('resource has no stored credential', id);
    const { version, username, issued_encrypted: issued } = credential;
    const password = open(credential.password_encrypted, sealedFor.credential(id, version), id);
    return {
      resource,
      credential: { version, username, password },
      issued: issued === null ? null : issuedSecrets.parse(JSON.parse(open(issued, sealedFor.issued(id, version), id))),
      details: details ?? {},
      address,
      baseUrl: options.baseUrl,
      token: token(resource),
    };
  };
  return {
    token,
    opened,
    storageKey(backendName) {
      const key = options.storageKeys.get(backendName);
      if (key === undefined) throw notConfigured(backendName);
      return key;
    },
    connection(found) {
      const present = PRESENT_CONNECTION[found.resource.kind];
      if (present === undefined) throw fail('kind has no connection', found.resource.id);
      const shown = shapeOf(found.resource.kind).safeParse(present(opened(found)));
      if (!shown.success) throw fail(`connection is not as declared: ${z.prettifyError(shown.error)}`, found.resource.id);
      return shown.data;
    },
  };
}

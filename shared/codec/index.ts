// Encrypts what Temporal stores: a payload codec over the keyring, and the converter that every Temporal client and worker of ours is given.
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { DecryptError, type Keyring } from '../crypto';

/** As Temporal's own samples call it: its tools know that such a payload needs a codec. */
export const ENCRYPTED_ENCODING = 'binary/encrypted';
const ENCODING = 'encoding';
const KEY_ID = 'encryption-key-id';
/** Another purpose than stored credentials: whoever may have payloads decrypted has no oracle for those. */
const PURPOSE = 'temporal-payload';

const { Payload: PayloadMessage } = temporal.api.common.v1;

/** The whole payload, its metadata included, becomes the data of another one. What is not encrypted is read as it stands. */
export class EncryptionCodec implements PayloadCodec {
  readonly #keyring: Keyring;
  readonly #encrypts: boolean;

  /** @param options.encrypts false: new payloads stay plain, and those that were encrypted before can be read */
  constructor(options: { keyring: Keyring; encrypts: boolean }) {
    this.#keyring = options.keyring;
    this.#encrypts = options.encrypts;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return this.#encrypts ? payloads.map((payload) => this.#encrypted(payload)) : payloads;
  }

  /** @throws DecryptError that names the key that is missing */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => (isEncrypted(payload) ? this.#decrypted(payload) : payload));
  }

  #encrypted(payload: Payload): Payload {
    const { keyId, bytes } = this.#keyring.encryptBytes(PayloadMessage.encode(payload).finish(), PURPOSE);
    return { metadata: { [ENCODING]: Buffer.from(ENCRYPTED_ENCODING), [KEY_ID]: Buffer.from(keyId) }, data: bytes };
  }

  #decrypted({ metadata, data }: Payload): Payload {
    const keyId = textOf(metadata?.[KEY_ID]);
    if (keyId === undefined || !data) throw new DecryptError(`a payload of encoding ${ENCRYPTED_ENCODING} has no key id or no data`);
    try {
      return PayloadMessage.decode(this.#keyring.decryptBytes({ keyId, bytes: data }, PURPOSE));
    } catch (error) {
      if (!(error instanceof DecryptError)) throw error;
      throw new DecryptError(`a Temporal payload cannot be decrypted: ${error.message}; its key must be in LEASEHOLD_KEYRING`);
    }
  }
}

export function isEncrypted({ metadata }: Payload): boolean {
  return textOf(metadata?.[ENCODING]) === ENCRYPTED_ENCODING;
}

function textOf(bytes: Uint8Array | null | undefined): string | undefined {
  return bytes ? Buffer.from(bytes).toString('utf8') : undefined;
}

/** Messages and stack traces of failures are payloads too when `encrypts`: they may quote what a caller named. */
export function createDataConverter(options: { keyring: Keyring; encrypts: boolean }): DataConverter & { payloadCodecs: PayloadCodec[] } {
  return {
    payloadCodecs: [new EncryptionCodec(options)],
    ...(options.encrypts ? { failureConverterPath: require.resolve('./failure-converter') } : {}),
  };
}

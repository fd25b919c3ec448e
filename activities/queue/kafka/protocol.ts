// The parts of Kafka's protocol that the platform speaks, and the one request that the client library answers only half of.
import { createAPI, type describeAclsV3, type Reader, Writer } from '@platformatic/kafka';

export {
  type Acl,
  AclOperations,
  type AclOperationValue,
  AclPermissionTypes,
  ResourcePatternTypes,
  ResourceTypes,
  type ResourceTypeValue,
} from '@platformatic/kafka';

export type AclResource = describeAclsV3.DescribeAclsResponseResource;

const API_VERSIONS = 18;
const FINALIZED_FEATURES_TAG = 2;

interface Feature {
  name: string;
  level: number;
}

/** What the cluster's members have agreed on; the library leaves it out of its own answer. */
export const finalizedFeatures = createAPI<[], Feature[]>(
  API_VERSIONS,
  3,
  () => Writer.create().appendString('leasehold').appendString('1').appendTaggedFields(),
  (_correlationId, _apiKey, _apiVersion, reader) => readFeatures(reader),
  true,
  false,
);

function readFeatures(reader: Reader): Feature[] {
  if (reader.readInt16() !== 0) return [];
  reader.readArray((entry) => [entry.readInt16(), entry.readInt16(), entry.readInt16()]);
  reader.readInt32();
  for (let tags = reader.readUnsignedVarInt(); tags > 0; tags -= 1) {
    const tag = reader.readUnsignedVarInt();
    const length = reader.readUnsignedVarInt();
    if (tag !== FINALIZED_FEATURES_TAG) {
      reader.skip(length);
      continue;
    }
    return reader.readArray((entry) => {
      const feature = { name: entry.readString(), level: entry.readInt16() };
      entry.readInt16();
      return feature;
    });
  }
  return [];
}

/** Levels of `metadata.version`, from the oldest that is taken. */
const RELEASES: readonly (readonly [level: number, release: string])[] = [
  [28, '4.2'],
  [26, '4.1'],
  [22, '4.0'],
  [21, '3.9'],
];

/** Null: older than what is taken. */
export function releaseOf(features: readonly Feature[]): string | null {
  const level = features.find(({ name }) => name === 'metadata.version')?.level ?? 0;
  return RELEASES.find(([oldest]) => level >= oldest)?.[1] ?? null;
}

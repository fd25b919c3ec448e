// Everything that encrypts, signs, hashes or makes something random.
export { addressHash, type ClientNetwork, ipFingerprint } from './address';
export { CLAIM_AUDIENCE, claimHandle, signClaim } from './claim';
export { type JwtFailure, JwtSigner, type JwtVerification, type SignOptions, type VerifyOptions } from './jwt';
export { DecryptError, Keyring } from './keyring';
export { constantTimeEquals, generatePassword, hashToken, randomBase32 } from './random';
export { type ScramOptions, scramSha256Verifier } from './scram';
export { sealedFor } from './sealed';

import type { PresentConnection, PublicAddress } from './types';

/** As it goes into urls and signatures: a usual port is left out of both. */
export function storageEndpoint({ protocol, host, port }: PublicAddress): string {
  const isUsual = port === (protocol === 'https' ? 443 : 80);
  return `${protocol}://${host}${isUsual ? '' : `:${port}`}`;
}

/** The key was issued by the store and kept with its version; in mode broker it stays with the platform, which signs with it, or there is none. */
export const presentStorage: PresentConnection = ({ details, issued, address, baseUrl, token }) => {
  const endpoint = storageEndpoint(address);
  const [bucket, prefix, mode] = [String(details.bucket ?? ''), String(details.prefix ?? ''), String(details.mode ?? '')];
  const place = { endpoint, region: String(details.region ?? ''), bucket, prefix, mode };
  const connection_url = `${endpoint}/${bucket}${prefix === '' ? '' : `/${prefix}`}`;
  if (mode === 'broker')
    return { connection_url, ...place, presign_url: `${baseUrl}/storage/${token}/presign`, agent_action: 'use_presign_endpoint' };
  return { connection_url, ...place, ...issued };
};

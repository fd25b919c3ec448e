import type { PresentConnection } from './types';

/** The token opens the inbox for receiving, and nothing else. */
export const presentWebhook: PresentConnection = ({ credential, address }) => {
  const protocol = address.protocol === 'https' ? 'https' : 'http';
  const isDefaultPort = address.port === (protocol === 'https' ? 443 : 80);
  const host = `${address.host}${isDefaultPort ? '' : `:${address.port}`}`;
  const receiveUrl = `${protocol}://${host}/webhook/receive/${encodeURIComponent(credential.password)}`;
  return { connection_url: receiveUrl, receive_url: receiveUrl };
};

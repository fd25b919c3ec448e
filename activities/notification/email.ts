// One mail to one address, over the configured SMTP server.
import { createTransport } from 'nodemailer';
import { type JwtSigner, type Keyring, sealedFor, signClaim } from '../../shared/crypto';
import { NO_TEAM, signMailLink } from '../../shared/notification';
import type { DeliveryStore, StoredDelivery } from './store';
import { type MailEvent, renderMail } from './templates';
import type { SendResult } from './webhook';

export interface MailSettings {
  /** `smtp://` or `smtps://`, with user and password where the server wants them. */
  smtpUrl: string;
  /** `Name <address>` or the address. */
  from: string;
  /** How clients reach the api, without a slash at its end. */
  baseUrl: string;
  /** To one address within a day; more are given up, or anybody could have anybody flooded. */
  perAddressADay: number;
}

export interface MailSender {
  send(delivery: StoredDelivery): Promise<SendResult>;
  close(): void;
}

const CONNECTIONS = 4;
const TIMEOUT_MS = 10_000;
/** A shorter grace is none that anybody could use. */
const SHORTEST_GRACE_MS = 60_000;

export function createMailSender(
  settings: MailSettings,
  { store, keyring, jwt }: { store: DeliveryStore; keyring: Keyring; jwt: JwtSigner },
): MailSender {
  const transport = createTransport({
    url: settings.smtpUrl,
    pool: true,
    maxConnections: CONNECTIONS,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // What is sent is made here: no file and no address is fetched for it.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([^>\s]+)>?$/.exec(settings.from)?.[1] ?? 'leasehold.invalid';
  return {
    async send(delivery) {
      const { address, event, resource, targetId } = delivery;
      const scope = delivery.teamId ?? NO_TEAM;
      if (address === null) return { result: 'refused', status: null, error: 'the address is not known any more' };
      if (await store.optedOut(targetId, scope)) return { result: 'refused', status: null, error: 'the address wants no more mail' };
      if ((await store.mailsOfLastDay(targetId)) >= settings.perAddressADay) {
        return { result: 'refused', status: null, error: 'the address has had its mails of a day' };
      }
      const mailEvent = mailEventOf(delivery);
      if (mailEvent === null) return { result: 'refused', status: null, error: `${event.type} is not told by mail` };
      const link = `${settings.baseUrl}/notifications/${await signMailLink(jwt, { resourceId: resource.id, addressId: targetId, scope })}`;
      const unsubscribeUrl = `${link}/unsubscribe`;
      const mail = renderMail({
        kind: resource.kind,
        name: resource.name,
        env: resource.env,
        event: mailEvent,
        extendUrl: link,
        claimUrl: await claimUrlOf(delivery, settings.baseUrl, { keyring, jwt }),
        resourceUrl: `${settings.baseUrl}/api/v1/resources/${resource.id}`,
        unsubscribeUrl,
      });
      try {
        const { response } = await transport.sendMail({
          from: settings.from,
          to: { name: '', address },
          ...mail,
          // From the event: a mail that was sent twice is one in the reader's list.
          messageId: `<${delivery.id}.${event.id}@${domain}>`,
          references: `<${resource.id}@${domain}>`,
          headers: {
            'List-Unsubscribe': `<${unsubscribeUrl}>`,
            'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
            'Auto-Submitted': 'auto-generated',
            'X-Leasehold-Event-Id': event.id,
          },
        });
        return { result: 'delivered', status: Number.parseInt(response, 10) || null };
      } catch (error) {
        return smtpFailure(error as Error & { code?: string; responseCode?: number });
      }
    },
    close: () => transport.close(),
  };
}

/** Only the recipient's refusal is for good: what is wrong with us or the server may be put right. */
function smtpFailure({ code, responseCode, message }: { code?: string; responseCode?: number; message: string }): SendResult {
  const status = responseCode ?? null;
  const forGood = code === 'EENVELOPE' && status !== null && status >= 500;
  return { result: forGood ? 'refused' : 'failed', status, error: `mail: ${message.slice(0, 300)}` };
}

async function claimUrlOf(
  { resource }: StoredDelivery,
  baseUrl: string,
  { keyring, jwt }: { keyring: Keyring; jwt: JwtSigner },
): Promise<string | null> {
  if (resource.teamId !== null) return null;
  const token = keyring.decrypt(resource.tokenEncrypted, sealedFor.token(resource.id));
  return `${baseUrl}/start?t=${await signClaim(jwt, { fingerprint: resource.fingerprint, token, kind: resource.kind })}`;
}

/** Null = not told by mail. */
function mailEventOf({ event }: StoredDelivery): MailEvent | null {
  const text = (key: string): string => String(event.data[key] ?? '');
  switch (event.type) {
    case 'resource.expiring':
      return { type: 'expiring', timeLeft: text('rung'), expiresAt: text('expires_at') };
    case 'resource.expired': {
      const keptUntil = text('grace_ends_at');
      const graceMs = Date.parse(keptUntil) - event.occurredAt.getTime();
      return { type: 'expired', keptUntil: graceMs >= SHORTEST_GRACE_MS ? keptUntil : null };
    }
    case 'resource.suspended':
      return { type: 'suspended', reason: text('reason') };
    case 'resource.deleted':
      return { type: 'deleted', reason: text('reason') };
    default:
      return null;
  }
}

// README: what planning, sending and managing notices have in common: ids, secrets, and who is to hear of an event.
export { escapeHtml } from './html';
export { addressIdOf, type Channel, NO_TEAM } from './ids';
export { type MailLink, readMailLink, signMailLink } from './mail-links';
export { type DeliveryTarget, insertDeliveries, planTargets } from './planning';
export { newWebhookSecret, openWebhookSecret, resourceSecretOwner, sealWebhookSecret, subscriptionSecretOwner } from './secrets';
export { signatureHeaders } from './signature';

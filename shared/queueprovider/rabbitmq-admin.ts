// How the platform is let into a RabbitMQ server: one url, which the stack writes and the worker reads.

export interface RabbitmqAdmin {
  /** Where tenants' own clients would connect: `amqp://host:port` or `amqps://host:port`. */
  amqp: string;
  /** The management plugin's address, without a slash at its end. */
  management: string;
  username: string;
  password: string;
}

/** Every secret is in the password: what shows a url to people leaves that out. */
export function formatRabbitmqAdminUrl({ amqp, management, username, password }: RabbitmqAdmin): string {
  const url = new URL(amqp);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  url.searchParams.set('management', management);
  return url.href;
}

/** @throws Error with the remedy, and without the url: it is a secret */
export function parseRabbitmqAdminUrl(text: string): RabbitmqAdmin {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error('the admin url cannot be read');
  }
  if (!['amqp:', 'amqps:'].includes(url.protocol) || url.hostname === '')
    throw new Error('the admin url must be amqp://... or amqps://..., with the management address as its parameter `management`');
  if (url.username === '' || url.password === '') throw new Error('the admin url needs user and password of an administrator');
  const isTls = url.protocol === 'amqps:';
  const usual = isTls ? `https://${url.hostname}:15671` : `http://${url.hostname}:15672`;
  return {
    amqp: `${url.protocol}//${url.hostname}:${url.port || (isTls ? '5671' : '5672')}`,
    management: managementOf(url.searchParams.get('management') ?? usual),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}

function managementOf(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\//.test(text))
    throw new Error('the parameter `management` of the admin url must be an http(s) url');
  const { origin, pathname, username } = new URL(text);
  if (username !== '') throw new Error('the parameter `management` of the admin url holds no user: it is the one of the url itself');
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

// `npm run stack -- queue isolate <id>`: asks the api of this stack, as its operator, so that the audit log has it.
import { StackError } from './errors';
import { loadSecrets } from './secrets';
import type { Settings } from './settings';

interface Answer {
  status?: string;
  message?: string;
}

/** @returns the line to print: moved, or still under way */
export async function isolateQueue(settings: Settings, resourceId: string): Promise<string> {
  const { operatorKey } = loadSecrets(settings.home, settings.environment);
  const url = `${settings.localUrl}/api/v1/admin/resources/${encodeURIComponent(resourceId)}/isolate`;
  const answer = await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${operatorKey}` } }).catch(() => {
    throw new StackError(`the api at ${settings.localUrl} does not answer: start it with npm start`);
  });
  const body = (await answer.json()) as Answer;
  if (!answer.ok) throw new StackError(`${resourceId} was not moved: ${body.message ?? answer.status}`);
  return answer.status === 202
    ? `${resourceId} is being moved: its events say when it is isolated`
    : `${resourceId} is in an account of its own: its clients read their credentials anew`;
}

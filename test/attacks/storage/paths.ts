// Paths that mean one thing to who signs and another to who serves.
import type { Attack } from '../attack';
import { all, allIsWell, MARK, raw, rawRefused, signed, type World } from './world';

export function pathAttacks(world: World): Attack[] {
  const { attacker, victim } = world;
  const up = victim.prefix === '' ? `../${victim.bucket}/` : `../${victim.prefix}`;
  const target = `${attacker.prefix}${up}secret`;
  /** As the SDK signs it, and then with every way of writing the dots and slashes in the path that goes out. */
  const forms: [string, string, (path: string) => string][] = [
    ['..', target, (path) => path],
    ['%2e%2e', target, (path) => path.replaceAll('..', '%2e%2e')],
    ['%252e%252e', target, (path) => path.replaceAll('..', '%252e%252e')],
    ['..%2f', target, (path) => path.replaceAll('../', '..%2f')],
    ['%2e%2e%2f', target, (path) => path.replaceAll('../', '%2e%2e%2f')],
    ['..%5c', target, (path) => path.replaceAll('../', '..%5c')],
    ['backslash', target.replaceAll('../', '..\\'), (path) => path],
    ['NUL before the end', `${target}\u0000.txt`, (path) => path],
    ['NUL in the dots', target.replaceAll('..', '.\u0000.'), (path) => path],
    ['encoded NUL', `${target}x`, (path) => path.replace('secretx', 'secret%00')],
    ['/./ and //', target.replace('../', '.././/'), (path) => path],
    ['overlong UTF-8', target, (path) => path.replaceAll('..', '%c0%ae%c0%ae')],
    ['fullwidth dots', target.replaceAll('..', '．．'), (path) => path],
    ['an absolute key', `/${victim.bucket}/${victim.prefix}secret`, (path) => path],
  ];
  return forms.flatMap(([name, objectKey, rewrite]) => [
    sent(world, `read by ${name}`, { operation: 'GET', objectKey, rewrite }),
    sent(world, `write by ${name}`, { operation: 'PUT', objectKey: objectKey.replace('secret', 'planted'), rewrite }),
  ]);
}

function sent(
  world: World,
  name: string,
  { operation, objectKey, rewrite }: { operation: 'GET' | 'PUT'; objectKey: string; rewrite: (path: string) => string },
): Attack {
  return {
    name,
    async run() {
      const url = await signed(world, world.attacker, { operation, bucket: world.attacker.bucket, objectKey });
      const [address = '', query = ''] = url.split('?');
      const answer = await raw(`${rewrite(address)}?${query}`, { method: operation, body: operation === 'PUT' ? MARK : undefined });
      if (answer.body.includes('a secret of')) return { breached: 'the secret came back' };
      // A path that the store takes for an odd name of one's own is no breach; the neighbour must be as it was.
      if (operation === 'PUT' && answer.status === 200) return await allIsWell(world);
      return all([rawRefused(answer, name), allIsWell(world)]);
    },
  };
}

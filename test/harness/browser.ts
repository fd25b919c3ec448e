// A headless browser for one picture of one page, driven through its debugging pipe.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = ['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

interface Reply {
  id?: number;
  result: { targetId: string; sessionId: string; data: string; result: { value: string } };
}

/** Opens the page, waits until its text holds `wanted`, and writes a picture. Resolves with the text. */
export async function photograph(options: {
  chromium: string;
  url: string;
  file: string;
  wanted: string;
  timeoutMs?: number;
}): Promise<string> {
  const profile = mkdtempSync(join(tmpdir(), 'leasehold-browser-'));
  const quiet = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const child = spawn(
    options.chromium,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      ...quiet,
      '--window-size=1600,1400',
      `--user-data-dir=${profile}`,
      '--remote-debugging-pipe',
    ],
    // A group of its own, so that its helpers can be ended with it.
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true },
  );
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const send = talk(child.stdio[3] as Writable, child.stdio[4] as Readable);
    const { targetId } = await send('Target.createTarget', { url: options.url });
    const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
    const deadline = Date.now() + (options.timeoutMs ?? 60_000);
    for (;;) {
      const { result } = await send('Runtime.evaluate', { expression: 'document.body?.innerText ?? ""', returnByValue: true }, sessionId);
      if (result.value.includes(options.wanted)) {
        const { data } = await send('Page.captureScreenshot', { format: 'png' }, sessionId);
        writeFileSync(options.file, Buffer.from(data, 'base64'));
        return result.value;
      }
      if (Date.now() > deadline) throw new Error(`the page does not show "${options.wanted}" but: ${result.value.slice(0, 500)}`);
      await sleep(250);
    }
  } finally {
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
    await closed;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** JSON messages, each ended by a zero byte. */
function talk(input: Writable, output: Readable) {
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  let text = '';
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const messages = (text + chunk).split('\0');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const reply: Reply = JSON.parse(message);
      if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    }
  });
  return (method: string, params: object, sessionId?: string) =>
    new Promise<Reply['result']>((resolve, reject) => {
      last += 1;
      waiting.set(last, (reply) => (reply.result === undefined ? reject(new Error(JSON.stringify(reply))) : resolve(reply.result)));
      input.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
}

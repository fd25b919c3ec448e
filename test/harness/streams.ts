// A client of event streams: collects what comes in until it is closed.
import http from 'node:http';

export interface StreamedEvent {
  id: string;
  event: string;
  data: { id: string; type: string; resource_id: string; data: Record<string, string> };
}

export interface OpenStream {
  status: number;
  events: StreamedEvent[];
  /** Resolves when the server ends it. */
  ended: Promise<void>;
  close: () => void;
}

export function openStream(url: string, headers: Record<string, string> = {}): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false }, (response) => {
      const events: StreamedEvent[] = [];
      let buffered = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        buffered += chunk;
        const blocks = buffered.split('\n\n');
        buffered = blocks.pop() ?? '';
        for (const block of blocks) if (block.startsWith('id: ')) events.push(parse(block));
      });
      const ended = new Promise<void>((done) => response.once('close', done));
      resolve({ status: response.statusCode ?? 0, events, ended, close: () => request.destroy() });
    });
    request.once('error', reject);
  });
}

function parse(block: string): StreamedEvent {
  const field = (name: string) =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? '';
  return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) };
}

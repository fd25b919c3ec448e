import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { findFreePort, isPortFree } from './ports';

describe('ports', () => {
  it('finds ports below the ephemeral range that are not handed out yet', async () => {
    const port = await findFreePort([25_000]);
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_000);
    expect(port).not.toBe(25_000);
    expect(await isPortFree(port)).toBe(true);
  });

  it('is given to nobody else before it is listened on', async () => {
    const port = await findFreePort();
    const another = createSocket('udp4');
    await expect(new Promise((_, reject) => another.once('error', reject).bind(port, '127.0.0.1'))).rejects.toThrow('EADDRINUSE');
    another.close();
  });

  it('tells a port that is listened on', async () => {
    const port = await findFreePort();
    const server = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    expect(await isPortFree(port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await isPortFree(port)).toBe(true);
  });
});

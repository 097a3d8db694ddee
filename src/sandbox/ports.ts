import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * For 0 a random port below those that systems choose from: nobody else is given it before it is listened on, or while a reset
 * restarts the service.
 */
export const portAfter = (port: number, by: number): number => (port === 0 ? randomInt(10_000, 32_000) : port + by);

/** The first free port from `from` on; 0 if there is none. */
export async function freePort(from: number): Promise<number> {
  for (let port = from; port < Math.min(from + 100, 65_536); port++) {
    const free = await new Promise<number>((resolve) => {
      const probe = createServer().once('error', () => resolve(0));
      probe.listen(port, '127.0.0.1', () => {
        const address = probe.address();
        probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
      });
    });
    if (free !== 0) return free;
  }
  return 0;
}

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Returns `port + by`, or a random port for 0. It is below the range from which systems choose ports, so no other program gets it
 * before the sandbox listens, or while a reset restarts the service.
 */
export const portAfter = (port: number, by: number): number => (port === 0 ? randomInt(10_000, 32_000) : port + by);

/** Returns the first free port from `from` on; 0 if there is none. */
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

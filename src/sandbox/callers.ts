import { hash } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import { callersFromFile } from '../callers/follow.ts';
import { sandboxKey } from '../callers/sandbox-key.ts';
import { type Callers, fixedCallers } from '../callers.ts';
import { exampleIds } from '../schemas/common.ts';

/** The callers of CLIENTS_FILE, followed as the service does; without the file, a single caller with all scopes. */
export function openSandboxCallers(path: string | undefined, logger: () => FastifyBaseLogger): Callers {
  if (path === undefined || path === '') {
    const keys = [{ sha256: hash('sha256', sandboxKey) }];
    return fixedCallers([{ name: exampleIds.caller, keys, scopes: ['*'], connections: ['*'] }]);
  }
  try {
    return callersFromFile(path, {
      onChange: (change) => {
        if ('error' in change)
          logger().error({ reason: change.error.message }, 'CLIENTS_FILE has faults; the old version stays');
        else logger().info({ callers: change.callers }, 'CLIENTS_FILE was read again');
      },
    });
  } catch (error) {
    throw new Error(`CLIENTS_FILE: ${error instanceof Error ? error.message : String(error)}`);
  }
}

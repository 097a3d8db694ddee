import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const token = 'token-of-the-faults-run-0000000000000000000';

/** Where the service takes webhooks in: a port that stays the same while it is killed and started again. */
export async function intakeAt(directory: string, connectionId = '21fd90f9-5935-43cd-b6c8-bde9d915ca80') {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => probe.close(resolve));
  const file = join(directory, 'intake-tokens.json');
  writeFileSync(file, JSON.stringify([{ name: 'faults', tokenSha256: [hash('sha256', token)], connectionId }]));
  return {
    url: `http://127.0.0.1:${port}/wati/${token}`,
    settings: { INTAKE_PORT: String(port), INTAKE_TOKENS_FILE: file },
  };
}

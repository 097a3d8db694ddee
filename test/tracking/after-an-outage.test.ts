import { expect, it } from 'vitest';
import { fixedTokens } from '../../src/intake/tokens.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore } from '../../src/store/open.ts';
import { entryOf, token } from '../intake/door.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { insertFinished, newMessage, OPTIONS } from '../store/samples.ts';
import { startService } from '../support/service.ts';

const minuteMs = 60_000;

it('messages that were sent while nothing listened are polled once when the listener is back', async () => {
  let steady = 1_000;
  const store = await openStore('memory:', { ...OPTIONS, monotonicClock: () => steady });
  const send = (id: string, to: string) =>
    insertFinished(store, newMessage(id, { to, connectionId: seededConnection, localMessageId: id }), 'accepted');
  await send('before', '14155551001');
  steady += 20 * minuteMs;
  await store.noteListening([{ connectionId: seededConnection, received: true }]);
  steady += 20 * minuteMs;
  await send('meanwhile', '14155551000');
  steady += minuteMs;
  const service = await startService({
    store,
    settings: {
      INTAKE_PORT: '0',
      INTAKE_TOKENS_FILE: 'not read in tests',
      MATON_CONNECTION_ID: seededConnection,
    },
    seams: {
      pauses: { ...defaultRetryDelays, pollEveryMs: 20 },
      intake: { tokens: fixedTokens([{ ...entryOf('acme', token), connectionId: seededConnection }]) },
    },
  });
  const reads = () => service.simulator.ledger.of('getMessages').map(({ path }) => path);
  await expect.poll(reads).toEqual([expect.stringContaining('14155551000')]);
  await expect.poll(() => store.pollLoad(seededConnection)).toEqual({ spent: 1, scheduled: 0 });
  const { text } = await service.ask('GET', '/metrics');
  expect(text).toContain('wati_bff_poll_calls_total 1');
  await service.close();
});

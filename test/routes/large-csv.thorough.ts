import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { connection, csvForm, csvPath, lastLine, MIB, post } from './files-helper.ts';

const rows = (count: number, rest = '') =>
  Array.from({ length: count }, (_, at) => `9198${20_000_000 + at}${rest}\r\n`).join('');

describe('a large CSV that is streamed to WATI', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { ...connection, CSV_MAX_ROWS: '500000' } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());
  const ledger = () => service.simulator.ledger.of('sendTemplateMessageCSV');
  let keys = 0;
  const send = (file: string, chunked = true) => {
    keys += 1;
    return post(service, csvForm(file), { path: csvPath, headers: { 'idempotency-key': `csv-${keys}` }, chunked });
  };

  it.each([true, false])(
    'with a fault in the last row of 2 MB never reaches WATI whole (chunked: %s)',
    async (chunked) => {
      const count = Math.ceil((2 * MIB) / 14);
      const answer = await send(`Phone\r\n${rows(count)}12\r\n`, chunked);
      expect(answer).toMatchObject({
        status: 422,
        json: {
          type: problem('csv-invalid'),
          outcome: 'not_sent',
          detail: '1 fault; nothing was sent',
          errors: [{ pointer: `/rows/${count + 1}/Phone`, detail: expect.any(String) }],
        },
      });
      await expect.poll(() => ledger()[0]?.parts?.length).toBe(1);
      expect(ledger()).toMatchObject([{ complete: false, processed: false, recipients: [] }]);
      expect(ledger()[0]?.parts?.[0]?.bytes).toBeGreaterThan(MIB);
      expect(lastLine(service)).toMatchObject({ outcome: 'not_sent', problem: 'csv-invalid', status: 422 });
    },
  );

  it.each([
    ['reset-after', 202, 'unknown'],
    ['reset-mid-body', 503, 'not_sent'],
  ] as const)('that ends in %s is a %i %s, and is sent once', async (fault, status, outcome) => {
    service.simulator.script('sendTemplateMessageCSV', { fault });
    // More than the buffers of two sockets hold: a smaller one could be out as a whole before the reset comes in.
    const answer = await send(`Phone,Note\r\n${rows(8_000, `,${'x'.repeat(2_000)}`)}`);
    expect([answer.status, answer.json.outcome ?? answer.json.status]).toEqual([status, outcome]);
    expect(ledger()).toHaveLength(1);
  });
});

import { expect, test } from 'vitest';
import { started } from './helper.ts';

const boundary = 'wati-bff-1234';

test('95 MB pass quickly', async () => {
  const { simulator, gateway } = await started();
  const content = Buffer.alloc(95 * 1_048_576, 'x');
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.png"\r\nContent-Type: image/png\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
  const before = process.cpuUsage();
  expect((await gateway('/api/v1/sendSessionFile/14155551000', { method: 'POST', body, headers })).status).toBe(200);
  // Of this process alone, however busy the machine is.
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(5_000);
  expect(simulator.ledger.entries[0]?.parts?.[0]?.bytes).toBe(content.length);
});

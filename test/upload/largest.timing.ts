import { expect, it } from 'vitest';
import { connection, MIB, pdf, pdfForm, post } from '../routes/files-helper.ts';
import { startService } from '../support/service.ts';
import { sha256 } from './multipart-helper.ts';

it.each([false, true])('the largest file arrives byte for byte (chunked: %s)', async (chunked) => {
  const service = await startService({ settings: connection });
  const file = pdf(95 * MIB);
  expect((await post(service, pdfForm(file), { chunked })).status).toBe(201);
  expect(service.simulator.ledger.entries.at(-1)).toMatchObject({
    complete: true,
    processed: true,
    parts: [{ bytes: file.length, sha256: sha256(file) }],
  });
  await service.close();
});

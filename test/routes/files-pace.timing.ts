import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createUploads } from '../../src/upload/uploads.ts';
import { startService } from '../support/service.ts';
import { sha256 } from '../upload/multipart-helper.ts';
import { connection, MIB, openRequest, pdf, pdfForm, post } from './files-helper.ts';

describe('the minimum rate of an upload', () => {
  it('applies to all that came: a steady slow caller is served', async () => {
    const uploads = createUploads({ openMax: 1, bytesPerSecondMin: 100_000, graceMs: 200, checkEveryMs: 20 });
    const service = await startService({ settings: connection, seams: { uploads } });
    const body = pdfForm(pdf(200_000));
    const request = openRequest(service, { headers: { 'content-length': String(body.length) } });
    for (let at = 0; at < body.length; at += 5_000) {
      await request.write(body.subarray(at, at + 5_000));
      await sleep(25);
    }
    expect((await request.answer()).status).toBe(201);
    request.socket.destroy();
    await service.close();
  });

  it('does not count the time in which WATI is slow', async () => {
    const uploads = createUploads({ openMax: 1, bytesPerSecondMin: 12 * MIB, graceMs: 400, checkEveryMs: 20 });
    const service = await startService({ settings: connection, seams: { uploads } });
    service.simulator.script('sendSessionFile', { readBytesPerSecond: 10 * MIB });
    const started = performance.now();
    expect((await post(service, pdfForm(pdf(40 * MIB)))).status).toBe(201);
    expect(performance.now() - started).toBeGreaterThan(1_500);
    // Its chunks were given back to the system as they went out, and not one byte too early.
    const [part] = service.simulator.ledger.of('sendSessionFile')[0]?.parts ?? [];
    expect(part).toMatchObject({ bytes: 40 * MIB, sha256: sha256(pdf(40 * MIB)) });
    await service.close();
  });
});

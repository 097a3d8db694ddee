import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { form, PNG, sha256 } from '../upload/multipart-helper.ts';
import { connection, MIB, pdf, post, sized } from './files-helper.ts';

const mp3 = Buffer.from('fffb90c4000000000000', 'hex');

describe('a file', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: connection });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each([
    ['image', 'image/png', 'a.png', PNG, 5 * MIB],
    ['audio', 'audio/mpeg', 'a.mp3', mp3, 16 * MIB],
    ['document', 'application/pdf', 'a.pdf', pdf(20), 100 * MIB],
  ])('is accepted up to the limit of its kind and not a byte more: %s', async (_, type, name, start, limit) => {
    const made = (bytes: number) =>
      form({ disposition: `form-data; name="file"; filename="${name}"`, type, file: sized(start, bytes) });
    const whole = sized(start, limit);
    expect((await post(service, made(limit))).status).toBe(201);
    expect(service.simulator.ledger.entries).toMatchObject([{ parts: [{ bytes: limit, sha256: sha256(whole) }] }]);
    service.simulator.ledger.clear();
    const over = made(limit + 1);
    // So much over that no line ends behind the form explain it: nothing is opened.
    const declared = await post(service, made(limit + 1025));
    expect(declared).toMatchObject({ status: 413, json: { type: problem('payload-too-large'), outcome: 'not_sent' } });
    expect(service.simulator.ledger.entries).toEqual([]);
    for (const chunked of [false, true]) {
      expect(await post(service, over, { chunked })).toMatchObject({ status: 413, json: { outcome: 'not_sent' } });
    }
    await expect.poll(() => service.simulator.ledger.entries.every((entry) => entry.parts !== undefined)).toBe(true);
    expect(service.simulator.ledger.entries.filter(({ complete, processed }) => complete || processed)).toEqual([]);
  });
});

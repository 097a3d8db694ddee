import { expect, it, vi } from 'vitest';
import { createUploads } from '../../src/upload/uploads.ts';
import { form, PDF, receive, slices } from './multipart-helper.ts';

const MIB = 1024 * 1024;

it('frees the chunks of uploads after every 8 MiB', async () => {
  const gc = vi.fn();
  vi.stubGlobal('gc', gc);
  const uploads = createUploads({ openMax: 2, bytesPerSecondMin: 1 });
  const body = form({ file: Buffer.concat([PDF, Buffer.alloc(13 * MIB)]), type: 'application/pdf' });
  for (let sent = 0; sent < 2; sent += 1) {
    await receive(slices(body, [65_536]), {}, async (request) => {
      const options = { field: 'file', upstreamField: 'file', bytesMax: 100 * MIB, fileId: '1', holder: 'crm' };
      const upload = await uploads.begin(request, { ...options, kinds: 'media' });
      upload.stream.resume();
      await upload.done;
      upload.release();
    });
  }
  vi.unstubAllGlobals();
  expect(gc.mock.calls).toEqual(Array.from({ length: 3 }, () => [{ type: 'minor' }]));
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBlank, textFault } from '../../src/lib/text.ts';
import { readMediaPath } from '../../src/upstream/media-path.ts';
import { mediaPathOf } from '../../src/upstream/row-media.ts';
import { anyGrapheme } from '../support/any-character.ts';

const types = ['image', 'document', 'video', 'audio', 'voice', 'sticker', 'Image', 'DOCUMENT'];
const hosts = ['live-mt-server.wati.io/2552', 'live-server-10234.wati.io', 'app-server.wati.io/9'];

/** Names as people give them. */
const name = fc
  .string({ unit: anyGrapheme, minLength: 1, maxLength: 40 })
  .filter((text) => !/[/\\]/.test(text) && !text.startsWith('.') && !isBlank(text) && text.trim() === text)
  .filter((text) => textFault(text, 'line') === undefined && !/%[0-9a-f]{2}/i.test(text));
const path = fc
  .tuple(fc.constantFrom('images', 'documents', 'voices'), name)
  .map(([folder, file]) => `data/${folder}/${file}`);
const row = fc.record({ type: fc.constantFrom(...types), path, host: fc.constantFrom(...hosts) });

describe('the file path in a row of a history', () => {
  it('is found under any name, in every shape and for every kind', () => {
    fc.assert(
      fc.property(row, fc.constantFrom('data', 'media'), ({ type, path, host }, place) => {
        const encoded = encodeURIComponent(path);
        const address = `https://${host}/api/file/showFile?fileName=${encoded}`;
        const shapes: unknown[] = [
          path,
          address,
          `https://${host}/api/v1/getMedia?v=1&FileName=${encoded.replaceAll('%20', '+')}&t=9`,
          { path },
          { name: 'x.pdf', url: address },
          [{ link: path }],
          JSON.stringify({ file: { path } }),
        ];
        for (const shape of shapes) expect(mediaPathOf({ type, [place]: shape }), JSON.stringify(shape)).toBe(path);
        expect(readMediaPath(path)).toEqual({ path });
      }),
    );
  });

  it('is not taken from values that are no path', () => {
    const nothing = [
      null,
      undefined,
      '',
      7,
      true,
      {},
      [],
      'Hello',
      'data',
      'data/',
      'see data/images/a.jpg',
      '{"a":',
      '{}',
    ];
    const elsewhere = [
      'https://example.com/a.jpg',
      'data/../a',
      'data/.env',
      'data/%2e%2e/a',
      'a/b.jpg',
      'data/a\u0000',
    ];
    for (const data of [...nothing, ...elsewhere]) expect(mediaPathOf({ type: 'image', data })).toBeUndefined();
    expect(mediaPathOf({ type: 'text', data: 'data/protection matters' })).toBeUndefined();
    expect(mediaPathOf({ type: 'text', data: 'data/images/a.jpg' })).toBe('data/images/a.jpg');
  });

  it('is found in bounded time, however deeply the row is nested', () => {
    let deep: unknown = 'data/images/a.jpg';
    for (let depth = 0; depth < 5_000; depth += 1) deep = { deep };
    const worst = [deep, Array(100_000).fill({ a: {} }), `?fileName=${'&'.repeat(100_000)}`];
    for (const data of worst) expect(mediaPathOf({ type: 'image', data })).toBeUndefined();
  });

  it('never leads upwards, however it is encoded', () => {
    const piece = fc.constantFrom('..', '.', '%2e', '%252e', '/', '%2f', '%5c', '\\', 'data', 'a', '%00', '\n');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const reading = readMediaPath(`data/${pieces.join('')}`);
        if (!('path' in reading)) return;
        let text = reading.path;
        for (let times = 0; times < 5; times += 1) {
          expect(text).not.toMatch(/(^|\/)\.|\\|[\0\n]/);
          text = decodeURIComponent(text);
        }
      }),
    );
  });
});

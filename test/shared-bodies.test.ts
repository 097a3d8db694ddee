import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { shareBodies } from '../plugins/shared-bodies.ts';
import { startService } from './helper.ts';

it('keeps a file once by its tag, however its path is spelt, and closes the others', async () => {
  const app = Fastify();
  shareBodies(app);
  const streams: Readable[] = [];
  app.get('/*', (_request, reply) => {
    const stream = Readable.from([Buffer.from('the file')]);
    streams.push(stream);
    return reply.header('etag', '"1"').send(stream);
  });
  const bodies = [];
  for (const url of ['/file', '/%66ile', '/file?a']) bodies.push((await app.inject(url)).body);
  expect(bodies).toEqual(['the file', 'the file', 'the file']);
  expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
  await app.close();
});

it('serves the docs page as it is on disk, again and again', async () => {
  const service = await startService();
  const bundle = readFileSync('node_modules/@fastify/swagger-ui/static/swagger-ui-bundle.js', 'utf8');
  for (let n = 0; n < 3; n += 1) {
    expect((await service.ask('GET', '/docs/static/swagger-ui-bundle.js')).text === bundle).toBe(true);
    expect((await service.ask('GET', '/docs/static/swagger-ui.css')).headers['content-type']).toMatch(/^text\/css/);
    expect((await service.ask('GET', '/openapi.json')).json).toMatchObject({ openapi: '3.1.0' });
    expect((await service.ask('GET', '/openapi.yaml')).text).toMatch(/^openapi: /);
  }
  await service.close();
});

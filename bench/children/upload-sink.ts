import { createServer } from 'node:http';
import { argv } from 'node:process';

/** WATI, reduced to a counter of bytes: it reads a body, `--slow` at so many bytes a second, and says that all is well. */
const [port, slow] = argv.slice(2);
const bytesPerSecond = slow === undefined ? Number.POSITIVE_INFINITY : Number(slow);

const template = {
  id: '1',
  elementName: 'welcome',
  status: 'APPROVED',
  body: 'Hi',
  customParams: [],
  language: { key: 'en' },
};
const templates = JSON.stringify({
  result: 'success',
  messageTemplates: [template],
  link: { prevPage: null, nextPage: null, pageNumber: 1, pageSize: 1, total: 1 },
});
const contacts = JSON.stringify({
  result: 'success',
  contact_list: [],
  link: { prevPage: null, nextPage: null, pageNumber: 1, pageSize: 0, total: 0 },
});

const connections = JSON.stringify({
  connections: [
    {
      connection_id: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
      status: 'ACTIVE',
      creation_time: '2025-12-08T07:20:53.488460Z',
      last_updated_time: '2025-12-08T07:20:53.488460Z',
      app: 'wati',
      metadata: {},
    },
  ],
});
const answers: [part: string, body: string][] = [
  ['Templates', templates],
  ['/connections', connections],
];

// Kept alive over a whole round: a proxy that keeps its connections would meet one that is just being closed.
createServer({ requestTimeout: 0, keepAliveTimeout: 600_000, highWaterMark: 1024 * 1024 }, (request, response) => {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return;
    request.pause();
    setTimeout(() => request.resume(), (chunk.length / bytesPerSecond) * 1000);
  });
  request.on('error', () => {});
  request.on('end', () => {
    const read = answers.find(([part]) => request.url?.includes(part))?.[1] ?? contacts;
    const body = request.method === 'POST' ? '{"result":true}' : read;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length, 'x-bytes': bytes });
    response.end(body);
  });
}).listen(Number(port), '127.0.0.1');

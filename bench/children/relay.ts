import { createServer } from 'node:http';
import { argv } from 'node:process';
import { Pool } from 'undici';

/**
 * The least that a Node process can do between two sockets: everything is measured against it. With `--json` it reads
 * the answer and writes it again, untouched: the least that a service costs which translates what it passes on.
 */
const [port, upstream = '', json] = argv.slice(2);
const pool = new Pool(upstream, { connections: 32, pipelining: 1 });

createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const call = { method: 'GET', path: request.url ?? '/', headers: { authorization: request.headers.authorization } };
  const done =
    json === undefined
      ? pool.stream(call, ({ statusCode, headers }) => {
          response.statusCode = statusCode;
          for (const name of ['content-type', 'content-length']) response.setHeader(name, headers[name] ?? '');
          return response;
        })
      : pool.request(call).then(async ({ statusCode, body }) => {
          const text = JSON.stringify(await body.json());
          const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
          response.writeHead(statusCode, headers).end(text);
        });
  done.catch((error: Error) => response.destroy(error));
}).listen(Number(port), '127.0.0.1');

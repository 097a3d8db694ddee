import { createHash } from 'node:crypto';
import { request as call, createServer } from 'node:http';
import { argv } from 'node:process';

/**
 * The least that Node needs to pass an upload on: node:http in, node:http out, nothing looked at. With `--digest` it takes
 * the SHA-256 of what passes: the least that a service costs which knows a file again.
 */
const [port, upstream = '', digest] = argv.slice(2);
const { hostname, port: upstreamPort } = new URL(upstream);

createServer({ requestTimeout: 0 }, (request, response) => {
  const { method, url, headers } = request;
  const passed = call({ hostname, port: upstreamPort, method, path: url, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  passed.on('error', (error) => response.destroy(error));
  request.pipe(passed);
  if (digest === undefined) return;
  const hash = createHash('sha256');
  request.on('data', (bytes) => hash.update(bytes)).on('end', () => hash.digest());
}).listen(Number(port), '127.0.0.1');

import { request as call, createServer } from 'node:http';
import { argv } from 'node:process';

/** The least that Node needs to pass an upload on: node:http in, node:http out, nothing looked at. */
const [port, upstream = ''] = argv.slice(2);
const { hostname, port: upstreamPort } = new URL(upstream);

createServer({ requestTimeout: 0 }, (request, response) => {
  const { method, url, headers } = request;
  const passed = call({ hostname, port: upstreamPort, method, path: url, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  passed.on('error', (error) => response.destroy(error));
  request.pipe(passed);
}).listen(Number(port), '127.0.0.1');

import { argv } from 'node:process';
import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

/** Fastify's own proxy with a body limit that lets uploads through. */
const [port, upstream = ''] = argv.slice(2);
const app = Fastify({ bodyLimit: 1024 ** 3, requestTimeout: 0 });
await app.register(httpProxy, { upstream, http: { requestOptions: { timeout: 0 } } });
await app.listen({ host: '127.0.0.1', port: Number(port) });

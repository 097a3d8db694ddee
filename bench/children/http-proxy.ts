import { argv } from 'node:process';
import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

/** Fastify's own proxy, without logging, authentication or metrics. */
const [port, upstream = ''] = argv.slice(2);
const app = Fastify();
await app.register(httpProxy, { upstream, undici: { connections: 32, pipelining: 1 } });
await app.listen({ host: '127.0.0.1', port: Number(port) });

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Calls `hook` once for each request: when its answer is out, or when there is an answer and nobody left to take it. Fastify's
 * onResponse alone never runs for a caller who hung up, and that is the request which somebody will ask about.
 */
export function onRequestEnd(app: FastifyInstance, hook: (request: FastifyRequest, reply: FastifyReply) => void): void {
  const ended = new WeakSet<FastifyRequest>();
  const end = (request: FastifyRequest, reply: FastifyReply) => {
    if (ended.has(request)) return;
    ended.add(request);
    hook(request, reply);
  };
  app.addHook('onResponse', (request, reply, done) => {
    end(request, reply);
    done();
  });
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (reply.raw.destroyed) end(request, reply);
    else reply.raw.once('close', () => end(request, reply));
    done();
  });
}

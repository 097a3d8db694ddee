import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

type EndHook = (request: FastifyRequest, reply: FastifyReply) => void;

const ended = Symbol('ended');

declare module 'fastify' {
  interface FastifyRequest {
    [ended]?: true;
  }
}

/**
 * Calls the hooks once for each request: when the response is sent, or when there is one and the client has disconnected.
 * Fastify's onResponse never runs for a client that disconnected, and those are the requests that people ask about.
 */
export const requestCompleted = fp<{ hooks: readonly EndHook[] }>(
  async (app, { hooks }) => {
    const end: EndHook = (request, reply) => {
      if (request[ended]) return;
      request[ended] = true;
      for (const hook of hooks) hook(request, reply);
    };
    app.addHook('onResponse', (request, reply, done) => {
      end(request, reply);
      done();
    });
    app.addHook('onSend', (...[request, reply, , done]) => {
      if (reply.raw.destroyed) end(request, reply);
      else reply.raw.once('close', () => end(request, reply));
      done();
    });
  },
  { name: 'request-completed' },
);

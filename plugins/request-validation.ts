import fp from 'fastify-plugin';
import { findAmbiguity, longHeaderFault, refused, secureHeaders } from '../src/http/request-smuggling.ts';
import { Problem } from '../src/problem.ts';

/**
 * Refuses what Node's parser lets through and another hop may read differently: where two read two
 * requests in the same bytes, one caller's answer goes to another. Such a connection ends with the answer.
 *
 * `Upgrade` is passed over (RFC 9110, 7.8), and ends the connection as well: what comes behind such a request in the same
 * packet is dropped by Node's parser, which would read the next packet as if it began a request.
 */
export const requestValidation = fp(
  async (app) => {
    // Beyond its own limit Node drops header lines silently, a second Host perhaps; their bytes are limited anyway.
    app.server.maxHeadersCount = 0;
    const headers = Object.entries(secureHeaders);

    app.addHook('onRequest', (request, reply, done) => {
      for (const [name, value] of headers) reply.header(name, value);
      const { socket } = request.raw;
      // A request that got a 400 as too slow may still arrive: its caller already believes that nothing happened.
      if (refused.has(socket)) {
        // Its answer may not have been read yet: plugins/lingering-close.ts ends the connection.
        request.raw.resume();
        return;
      }
      const fault = findAmbiguity(request.raw);
      if (fault === undefined) {
        if (request.headers.upgrade !== undefined) reply.header('connection', 'close');
        return done(longHeaderFault(request.raw));
      }
      refused.add(socket);
      done(new Problem('malformed-request', fault, { headers: { connection: 'close' } }));
    });
  },
  { name: 'request-validation', dependencies: ['lingering-close'] },
);

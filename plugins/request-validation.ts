import fp from 'fastify-plugin';
import {
  findAmbiguity,
  isConnectionRejected,
  longHeaderFault,
  rejectFollowing,
  secureHeaders,
} from '../src/http/request-smuggling.ts';
import { Problem } from '../src/problem.ts';

/**
 * Refuses requests that Node's parser accepts and a proxy may read differently. If both see different requests in the same
 * bytes, a caller could get the response to another one. The connection ends with the response. `Upgrade` is ignored (RFC 9110,
 * 7.8) and ends the connection as well: Node's parser drops the bytes that follow such a request in the same packet, and would
 * read the next packet as the beginning of a request.
 */
export const requestValidation = fp(
  async (app) => {
    // Beyond its own limit Node drops header lines silently, perhaps a second Host. Their total size is limited anyway.
    app.server.maxHeadersCount = 0;
    const headers = Object.entries(secureHeaders);

    app.addHook('onRequest', (request, reply, done) => {
      for (const [name, value] of headers) reply.header(name, value);
      const { socket } = request.raw;
      // A request that was answered 400 because it was slow may still arrive. It must not be processed, because the 400
      // says that nothing was done.
      if (isConnectionRejected(socket)) {
        // The client may not have read the 400 yet, so plugins/lingering-close.ts ends the connection.
        request.raw.resume();
        return;
      }
      const fault = findAmbiguity(request.raw);
      if (fault === undefined) {
        if (request.headers.upgrade !== undefined) reply.header('connection', 'close');
        return done(longHeaderFault(request.raw));
      }
      rejectFollowing(socket);
      done(new Problem('malformed-request', fault, { headers: { connection: 'close' } }));
    });
  },
  { name: 'request-validation', dependencies: ['lingering-close'] },
);

import type { LookupFunction } from 'node:net';
import { toError } from '../lib/to-error.ts';
import { Agent, buildConnector } from '../lib/undici.ts';
import { type Destinations, literalOf, portOf } from './destination.ts';

/** Time limit for connecting, including DNS lookup and TLS. */
const connectMs = 3_000;

/**
 * Shorter than a Node server keeps an idle connection: a request on a connection that is being closed would be lost.
 */
const idleMs = 2_000;

/**
 * Connections to receivers of webhooks. Each goes to an address that was checked for it, never through a proxy, by
 * HTTP/1.1. Connections to one host are not limited, because endpoints of several callers may share a name, and none
 * waits for another.
 */
export function openWebhookAgent(destinations: Destinations): Agent {
  return new Agent({
    connect: createConnector(destinations),
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
    headersTimeout: 0, // the deadline of an attempt covers both
    bodyTimeout: 0,
    maxHeaderSize: 16_384,
  });
}

/** Node makes no lookup for literal addresses, so they are checked here. */
function createConnector(destinations: Destinations): buildConnector.connector {
  return (target, callback) => {
    const port = target.port === '' ? portOf(target) : Number(target.port);
    const lookup: LookupFunction = (hostname, { all }, done) => {
      destinations.resolve(hostname, port).then(
        (addresses) => {
          const [first] = addresses;
          if (all || first === undefined) done(null, addresses);
          else done(null, first.address, first.family);
        },
        (error) => done(toError(error), ''),
      );
    };
    try {
      const literal = literalOf(target);
      if (literal !== undefined) destinations.assertAddress(literal, port);
    } catch (error) {
      callback(toError(error), null);
      return;
    }
    // Created for each connection, because what is allowed depends on the port.
    buildConnector({ allowH2: false, timeout: connectMs, rejectUnauthorized: true, lookup })(target, callback);
  };
}

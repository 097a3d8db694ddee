/** @import { Ready } from '../schemas/health.ts' */

/** @type {Record<string, Record<string, string>>} */
const reasons = {
  status: {
    draining: 'The service is going down.',
    recovering: 'It looks through what an earlier process left behind.',
  },
  store: { failing: 'Records cannot be written, so nothing new is accepted.' },
  gateway: { unreachable: 'Maton cannot be reached.' },
  key: { refused: 'Maton refuses the key of this service.' },
  connection: {
    none: 'No WATI account is connected.',
    changed: 'The connected account is another than before.',
  },
  authorization: { expired: 'The connection has expired, and has to be authorized again.' },
  sending: { stopped: 'An operator has stopped sending, all of it or some.' },
  broadcasts: { held: 'Broadcasts are held, because WATI refused all of them.' },
};

/**
 * Explains the response of `/health/ready` in sentences; none: all is well.
 * @param {Ready} ready
 * @returns {string[]}
 */
export const reasonsOf = (ready) =>
  Object.entries(ready).flatMap(([name, value]) => reasons[name]?.[String(value)] ?? []);

/**
 * @param {Ready} ready
 * @returns {'ok' | 'warn' | 'bad'}
 */
export function toneOf(ready) {
  if (ready.status !== 'ready') return 'bad';
  return reasonsOf(ready).length > 0 ? 'warn' : 'ok';
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { StopSwitch } from '../src/holds/sending-stop.ts';
import { callerOf } from '../src/http/authenticate.ts';
import type { CallersView } from '../src/operator/callers-view.ts';
import { invalid, Problem } from '../src/problem.ts';
import { Sending, SendingPut } from '../src/schemas/operator-sending.ts';
import { StoreError } from '../src/store/errors.ts';
import { audited } from './operator-act.ts';

interface Services {
  stopSwitch: StopSwitch;
  callersView: CallersView;
}

/** Stops sending and releases it: for everything, for some callers, or over some connections. */
export const operatorSending: FastifyPluginAsyncTypebox<Services> = async (app, { stopSwitch, callersView }) => {
  app.get(
    '/v1/operations/sending',
    {
      config: { scope: 'operations:read' },
      schema: {
        operationId: 'getSending',
        tags: ['operations'],
        summary: 'See what sending is stopped',
        description: 'As this replica knows it: what another one was told it knows a second later.',
        response: { 200: Sending },
      },
    },
    async () => sendingOf(stopSwitch),
  );

  app.put(
    '/v1/operations/sending',
    {
      config: { scope: 'operations:write', problems: ['store-unavailable'] },
      // Large enough for a thousand callers and a thousand connections by name.
      bodyLimit: 1024 * 1024,
      schema: {
        operationId: 'putSending',
        tags: ['operations'],
        summary: 'Stop sending, or let it go on',
        description:
          'Replaces what was stopped before as a whole: `{"stopped": {"all": true}, …}` stops everybody, `{"stopped": {}, …}` lets everything go on. It holds on all replicas within two seconds, and over restarts. A new send that is stopped is a 503 `sending-stopped` and is not recorded; what is queued waits, and goes on when it is released; what is on the wire ends as it ends. Reading, pausing, cancelling and reconciling go on, and what was sent under an `Idempotency-Key` before is answered as it was. A caller that is neither in the callers file nor in the records is a 400, because a misspelt name would stop nobody; connections are taken as they are.',
        body: SendingPut,
        response: { 200: Sending },
      },
    },
    async (request) => {
      const { stopped, reason } = request.body;
      const { all = false, callers: named = [], connections = [] } = stopped;
      const about = { stopped: { all, callers: named, connections }, reason, before: stopSwitch.stopped };
      return audited(request, { act: 'sending', about }, async () => {
        const callers = await idsOf(named);
        const next = { stopped: { all, callers, connections }, reason, changedBy: callerOf(request).id };
        await stopSwitch.set(next).catch(unwritten);
        return sendingOf(stopSwitch);
      });
    },
  );

  /** A caller that is stopped already may be named even if it has no entry and no records any more. */
  const idsOf = async (named: readonly string[]): Promise<string[]> => {
    const resolved = await callersView.resolve(named);
    const found = named.map((name, at) => (stopSwitch.stopped.callers.includes(name) ? name : resolved[at]));
    const errors = found.flatMap((id, at) =>
      id === undefined
        ? [{ pointer: `/stopped/callers/${at}`, detail: 'is no caller of the callers file, nor one with records' }]
        : [],
    );
    if (errors.length > 0) throw invalid(errors);
    return found.filter((id) => id !== undefined);
  };
};

function unwritten(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  const detail = cause.notCommitted
    ? 'it could not be written down: what was stopped stays stopped, and nothing else is'
    : 'it is not known whether it was written down: look in two seconds, or say it again';
  throw new Problem('store-unavailable', detail, { cause, retryAfterS: 2 });
}

export function sendingOf({ last, stopped: { all, callers, connections } }: StopSwitch): Sending {
  const stopped = { all, callers: [...callers], connections: [...connections] };
  if (!last) return { stopped };
  const { reason, changedBy, changedAt } = last;
  return { stopped, reason, changedBy, changedAt };
}

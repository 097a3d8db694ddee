import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Callers } from '../src/callers.ts';
import { maskedIn } from '../src/http/request-log.ts';
import { standingRights } from '../src/http/standing-rights.ts';
import { masked } from '../src/lib/masked.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { broadcastParams } from '../src/schemas/broadcast.ts';
import { exampleIds } from '../src/schemas/common.ts';
import { OperatorMessageGet } from '../src/schemas/operator-message.ts';
import type { BroadcastStore, ReportedRecipient } from '../src/store/broadcast-store.ts';
import type { OperatorMessageStore } from '../src/store/operator-message-store.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import { replyWithReport } from './broadcast-report.ts';
import { audited } from './operator-act.ts';
import { assertMayReveal } from './operator-records.ts';

interface Services {
  store: Pick<OperatorMessageStore, 'findAnyBroadcast'> & Pick<BroadcastStore, 'listRecipients'>;
  callers: Callers;
  reports: SharedPool;
}

/** Serves the report of a broadcast of any caller. */
export const operatorReport: FastifyPluginAsyncTypebox<Services> = async (app, { store, callers, reports }) => {
  app.get(
    '/v1/operations/broadcasts/:id/recipients.csv',
    {
      config: { scope: 'operations:read', produces: 'text/csv', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'reportAnyBroadcast',
        tags: ['operations'],
        summary: 'Download the outcome of each recipient of any broadcast',
        description:
          'The CSV that its caller gets from `GET /v1/broadcasts/{id}/recipients.csv`. Numbers are masked except for their last four digits. `reveal=true` shows them in full to a key with the scope `operations:reveal`, and is recorded in the audit log.',
        params: broadcastParams(exampleIds.doneBroadcast),
        querystring: OperatorMessageGet,
      },
    },
    async (request, reply) => {
      const { reveal = false } = request.query;
      const { id } = request.params;
      assertMayReveal(request, reveal);
      const find = async () => {
        const found = await store.findAnyBroadcast(id).catch(throwStoreUnreadable);
        if (!found) throw new Problem('not-found', 'there is no broadcast with this id');
        return found;
      };
      const act = { act: 'recipients-reveal', about: { broadcastId: id } };
      const broadcast = reveal ? await audited(request, act, find) : await find();
      const rights = standingRights(request, callers);
      const mayRead = () => rights() !== undefined;
      return replyWithReport(reply, { broadcast, store, reports, mayRead, ...(!reveal && { shown: maskedRecipient }) });
    },
  );
};

/** Also masks the number in failure texts of WATI and Meta. */
function maskedRecipient({ to, failure, delivery, ...rest }: ReportedRecipient): ReportedRecipient {
  const hidden = <Failure extends { detail: string }>(given: Failure) => ({ ...given, detail: maskedIn(given.detail) });
  return {
    ...rest,
    ...(to !== undefined && { to: masked(to) }),
    ...(failure && { failure: hidden(failure) }),
    ...(delivery && { delivery: { ...delivery, ...(delivery.failure && { failure: hidden(delivery.failure) }) } }),
  };
}

import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { callerOf } from '../src/http/authenticate.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { asAttachment } from '../src/lib/content-disposition.ts';
import { recipientsReport } from '../src/messages/recipients-report.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { broadcastParams } from '../src/schemas/broadcast.ts';
import { exampleIds } from '../src/schemas/common.ts';
import type { BroadcastStore, StoredBroadcast } from '../src/store/broadcast-store.ts';
import type { BroadcastServices } from './broadcasts.ts';

export interface ReportServices extends Pick<BroadcastServices, 'broadcasts'> {
  store: Pick<BroadcastStore, 'listRecipients'>;
  reports: SharedPool;
  /** Returns whether this caller may still read its broadcasts. */
  mayListen: (caller: string) => boolean;
}

/** Serves the outcome of each recipient of a broadcast as a CSV. */
export const broadcastReport: FastifyPluginAsyncTypebox<ReportServices> = async (app, services) => {
  const { broadcasts, store, reports, mayListen } = services;
  app.get(
    '/v1/broadcasts/:id/recipients.csv',
    {
      config: { scope: 'messages:read', produces: 'text/csv', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'reportBroadcast',
        tags: ['broadcasts'],
        summary: 'Download the outcome of each recipient',
        description:
          "A CSV with a header row and a row for each recipient, in the order of the request: `Phone`, `Reference`, `Status`, `Delivery`, `FailureCode`, `FailureKind` and `FailureDetail`, `MessageId`, `ResendOf`, and the times `CalledAt` (our call to WATI), `SentAt`, `DeliveredAt`, `ReadAt`, `RepliedAt`, `FailedAt`, `UpdatedAt`; unknown values are blank. It can be read while the broadcast runs: each row shows the state at which it was read. UTF-8, commas, CRLF; a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return is prefixed with `'`, so that no spreadsheet reads it as a formula. Recipients are deleted by age like all messages. A download that breaks off is incomplete: repeat it.",
        params: broadcastParams(exampleIds.doneBroadcast),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request).id;
      const broadcast = await broadcasts.find(caller, request.params.id);
      return replyWithReport(reply, { broadcast, store, reports, mayRead: () => mayListen(caller) });
    },
  );
};

interface Report extends Omit<Parameters<typeof recipientsReport>[0], 'id'> {
  broadcast: Pick<StoredBroadcast, 'id' | 'name' | 'status'>;
  reports: SharedPool;
}

/** Streams the report of a broadcast whose recipients are all there. */
export function replyWithReport(reply: FastifyReply, { broadcast, reports, ...report }: Report): FastifyReply {
  const { id, name, status } = broadcast;
  if (status === 'recording') {
    const detail = 'the broadcast is still recording: its recipients can be read once all of them are there';
    throw new Problem('not-found', detail);
  }
  untilAnswered(reply, takeOrRefuse(reports, callerOf(reply.request).id));
  return reply
    .headers({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': asAttachment(`${name}-recipients.csv`),
    })
    .send(Readable.from(recipientsReport({ ...report, id }), { objectMode: false, highWaterMark: 64 * 1024 }));
}

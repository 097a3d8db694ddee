import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Broadcasts } from '../src/broadcasts/types.ts';
import type { Config } from '../src/config.ts';
import { fingerprintOf } from '../src/delivery/send-content.ts';
import type { Holds } from '../src/holds/holds.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import {
  Broadcast,
  BroadcastList,
  BroadcastPost,
  broadcastParams,
  OwnBroadcastQuery,
} from '../src/schemas/broadcast.ts';
import { digits, exampleIds } from '../src/schemas/common.ts';
import { DryRunQuery } from '../src/schemas/dry-run.ts';
import { BroadcastHeaders } from '../src/schemas/send-headers.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import { checkTemplate, takes } from '../src/templates/template-validation.ts';
import type { WatiTemplate } from '../src/upstream/templates.ts';
import { dryRunOfList } from './broadcast-dry-run.ts';
import { assertAllWithinRules, assertSound } from './broadcast-recipients.ts';
import { replyWithBroadcast, requireIdempotencyKey, started, termsOf } from './broadcast-response.ts';
import type { ResolveContext } from './request-context.ts';
import { asBadCursor } from './send-response.ts';
import { assertSchedule } from './send-times.ts';
import type { TypedApp } from './typed-app.ts';

export interface BroadcastServices {
  config: Config;
  broadcasts: Broadcasts;
  templates: TemplateCache;
  resolveContext: ResolveContext;
  /** Why a broadcast does not continue by itself. */
  holds: Holds;
}

const bodyBytesMax = 8 * 1024 * 1024;

function createBroadcast(app: TypedApp, { broadcasts, templates, resolveContext }: BroadcastServices): void {
  app.post(
    '/v1/broadcasts',
    {
      bodyLimit: bodyBytesMax,
      config: {
        scope: 'broadcasts:send',
        connection: true,
        sendsMessage: true,
        problems: ['template-unknown', 'template-parameters-invalid'],
      },
      schema: {
        operationId: 'createBroadcast',
        tags: ['broadcasts'],
        summary: 'Send a template to many',
        description:
          'Answers once all recipients are recorded; each becomes a message with an outcome of its own. Nothing is recorded or sent if one of them is at fault. Up to 8 MiB; larger ones go by `import`.',
        headers: BroadcastHeaders,
        querystring: DryRunQuery,
        body: BroadcastPost,
        response: started,
      },
    },
    async (request, reply) => {
      const { template, broadcastName, channel: asked, perMinute } = request.body;
      const recipients = request.body.recipients.map((each) => ({ ...each, to: digits(each.to) }));
      const context = await resolveContext(request);
      const requester = requireIdempotencyKey(request);
      const fits = (version: WatiTemplate) => recipients.every(({ parameters = {} }) => takes(parameters)(version));
      const versionsOf = async () => checkTemplate(await templates.find(context, template, { fits }), template);
      if (request.query.dryRun) {
        assertSchedule(request, broadcasts.wallNow());
        const rules = callerOf(request);
        assertAllWithinRules(rules, template, []);
        const { connection } = context;
        const parts = { broadcasts, requester, connection, rules, versions: await versionsOf() };
        return dryRunOfList(parts, recipients, perMinute);
      }
      const content = [template, broadcastName, recipients];
      const fingerprint = fingerprintOf(context.connection, [
        ...content,
        ...termsOf({ channel: asked, perMinute, ...requester }),
      ]);
      const repeated = await broadcasts.findReplay(requester, () => fingerprint);
      if (repeated) return replyWithBroadcast(reply, repeated);
      assertSchedule(request, broadcasts.wallNow());
      assertAllWithinRules(callerOf(request), template, recipients);
      assertSound(recipients, await versionsOf());
      const { connection, channel } = context;
      const draft = { template, broadcastName, connection, channel, asked, perMinute };
      const begun = broadcasts.start(requester, draft, async (add) => {
        await add(recipients);
        return { fingerprint };
      });
      return replyWithBroadcast(reply, await begun);
    },
  );
}

function listBroadcasts(app: TypedApp, { broadcasts, holds }: BroadcastServices): void {
  app.get(
    '/v1/broadcasts',
    {
      config: { scope: 'messages:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listBroadcasts',
        tags: ['broadcasts'],
        summary: 'List your broadcasts',
        description:
          'Newest first, those that are recording only where they are shown early (`Prefer: respond-async` of an import). `nextCursor` of an answer is the `cursor` of the next page.',
        querystring: OwnBroadcastQuery,
        response: { 200: BroadcastList },
      },
    },
    async (request) => {
      const { limit, cursor, idempotencyKey } = request.query;
      const caller = callerOf(request).id;
      if (idempotencyKey !== undefined) {
        const found = await broadcasts.listByKey(caller, idempotencyKey);
        return { data: found.slice(0, limit).map((broadcast) => toBroadcast(broadcast, holds)) };
      }
      const page = { limit, ...(cursor !== undefined && { cursor }) };
      const list = await broadcasts.list(caller, page).catch(asBadCursor);
      return {
        data: list.broadcasts.map((broadcast) => toBroadcast(broadcast, holds)),
        ...(list.next !== undefined && { nextCursor: list.next }),
      };
    },
  );
}

function getBroadcast(app: TypedApp, { broadcasts, holds }: BroadcastServices): void {
  app.get(
    '/v1/broadcasts/:id',
    {
      config: { scope: 'messages:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'getBroadcast',
        tags: ['broadcasts'],
        summary: 'Read a broadcast',
        description:
          'How far it is: its recipients counted by status, and the accepted ones by what became of them since. `GET /v1/messages?broadcastId=` lists them, with `delivery=failed` those that it did not reach.',
        params: broadcastParams(exampleIds.doneBroadcast),
        response: { 200: Broadcast },
      },
    },
    async (request) => toBroadcast(await broadcasts.find(callerOf(request).id, request.params.id), holds),
  );
}

/** One template to many: each recipient is a message with an outcome of its own. */
export const broadcasts: FastifyPluginAsyncTypebox<BroadcastServices> = async (app, services) => {
  createBroadcast(app, services);
  listBroadcasts(app, services);
  getBroadcast(app, services);
};

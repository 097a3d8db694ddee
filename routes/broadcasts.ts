import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../plugins/auth.ts';
import { untilAnswered } from '../plugins/until-answered.ts';
import { broadcastLocation } from '../src/broadcasts/broadcast-service.ts';
import { progressEvents, SharedPolls } from '../src/broadcasts/progress-events.ts';
import type {
  BroadcastRecipient,
  BroadcastScope,
  Broadcasts,
  KnownBroadcast,
  Started,
} from '../src/broadcasts/types.ts';
import { mayUse } from '../src/callers.ts';
import type { Config } from '../src/config.ts';
import { fingerprintOf } from '../src/delivery/send-content.ts';
import type { Holds } from '../src/holds/holds.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { type FieldError, Problem } from '../src/problem.ts';
import {
  Broadcast,
  BroadcastList,
  BroadcastListQuery,
  BroadcastPost,
  broadcastParams,
} from '../src/schemas/broadcast.ts';
import { BroadcastHeaders } from '../src/schemas/message.ts';
import { answers, digits, exampleIds } from '../src/schemas/words.ts';
import { bodyPointers, createSendingCheck, type SendingRules } from '../src/sending-rules.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import {
  checkTemplate,
  languagesOf,
  parameterFaults,
  type Sendable,
  takes,
} from '../src/templates/template-validation.ts';
import type { WatiTemplate } from '../src/upstream/templates.ts';
import { asBadCursor } from './answer.ts';
import type { ContextOf } from './context.ts';
import { requestScopeOf } from './idempotency-scope.ts';

export interface BroadcastServices {
  config: Config;
  broadcasts: Broadcasts;
  templates: TemplateCache;
  contextOf: ContextOf;
  /** Why a broadcast does not go on by itself. */
  holds: Holds;
}

interface Listening {
  eventStreams: SharedPool;
  /** Whether this caller may still read its broadcasts. */
  mayListen: (caller: string) => boolean;
}

const bodyBytesMax = 8 * 1024 * 1024;
const faultsShown = 100;

export const started = {
  202: answers('All recipients are recorded, and go out from now on; `Location` names the broadcast.', Broadcast),
};

/** One template to many: each recipient is a message with an outcome of its own. */
export const broadcasts: FastifyPluginAsyncTypebox<BroadcastServices & Listening> = async (app, services) => {
  const { broadcasts, templates, eventStreams, mayListen, holds, contextOf } = services;

  app.post(
    '/v1/broadcasts',
    {
      bodyLimit: bodyBytesMax,
      config: {
        scope: 'broadcasts:send',
        connection: true,
        sends: true,
        problems: ['template-unknown', 'template-parameters-invalid'],
      },
      schema: {
        operationId: 'createBroadcast',
        tags: ['broadcasts'],
        summary: 'Send a template to many',
        description:
          'Answers once all recipients are recorded; each becomes a message with an outcome of its own. Nothing is recorded or sent if one of them is at fault. Up to 8 MiB; larger ones go by `import`.',
        headers: BroadcastHeaders,
        body: BroadcastPost,
        response: started,
      },
    },
    async (request, reply) => {
      const { template, broadcastName, channel: asked } = request.body;
      const recipients = request.body.recipients.map((each) => ({ ...each, to: digits(each.to) }));
      const context = await contextOf(request);
      const asker = keyed(request);
      const fingerprint = fingerprintOf(context.connection, [
        template,
        broadcastName,
        recipients,
        ...(asked ? [asked] : []),
      ]);
      const repeated = await broadcasts.findReplay(asker, () => fingerprint);
      if (repeated) return answerStarted(reply, repeated);
      assertMaySendAll(callerOf(request), template, recipients);
      const fits = (version: WatiTemplate) => recipients.every(({ parameters = {} }) => takes(parameters)(version));
      assertSound(recipients, checkTemplate(await templates.find(context, template, { fits }), template));
      const { connection, channel } = context;
      const draft = { template, broadcastName, connection, channel, asked };
      const begun = broadcasts.start(asker, draft, async (add) => {
        await add(recipients);
        return fingerprint;
      });
      return answerStarted(reply, await begun);
    },
  );

  app.get(
    '/v1/broadcasts',
    {
      config: { scope: 'messages:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listBroadcasts',
        tags: ['broadcasts'],
        summary: 'List your broadcasts',
        description: 'Newest first. `nextCursor` of an answer is the `cursor` of the next page.',
        querystring: BroadcastListQuery,
        response: { 200: BroadcastList },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const page = { limit, ...(cursor !== undefined && { cursor }) };
      const list = await broadcasts.list(callerOf(request).id, page).catch(asBadCursor);
      return {
        data: list.broadcasts.map((broadcast) => toBroadcast(broadcast, holds)),
        ...(list.next !== undefined && { nextCursor: list.next }),
      };
    },
  );

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

  const steering = {
    pause: {
      to: 'paused',
      example: exampleIds.pausedBroadcast,
      summary: 'Pause a broadcast',
      description: 'What is queued waits; what is being sent ends as it ends.',
    },
    resume: {
      to: 'running',
      example: exampleIds.pausedBroadcast,
      summary: 'Resume a paused broadcast',
      description: 'It goes on where it stopped.',
    },
    cancel: {
      to: 'cancelled',
      example: exampleIds.unwantedBroadcast,
      summary: 'Cancel a broadcast',
      description: 'What is queued is never sent; what is being sent ends as it ends. There is no way back.',
    },
  } as const;

  for (const verb of ['pause', 'resume', 'cancel'] as const) {
    const { to, example, summary, description } = steering[verb];
    app.post(
      `/v1/broadcasts/:id/${verb}`,
      {
        config: {
          scope: 'broadcasts:send',
          audit: true,
          problems: ['not-found', 'broadcast-over', 'store-unavailable'],
        },
        schema: {
          operationId: `${verb}Broadcast`,
          tags: ['broadcasts'],
          summary,
          description,
          params: broadcastParams(example),
          response: { 200: Broadcast },
        },
      },
      async (request) => {
        request.trace.broadcastId = request.params.id;
        const steered = await broadcasts.changeStatus(callerOf(request).id, request.params.id, to);
        request.trace.connection = steered.connectionId;
        return toBroadcast(steered, holds);
      },
    );
  }

  app.post(
    '/v1/broadcasts/:id/reconcile',
    {
      config: { scope: 'broadcasts:send', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'reconcileBroadcast',
        tags: ['broadcasts'],
        summary: 'Look whether the unknown recipients of a broadcast got it',
        description:
          'All that are `unknown` are looked for from now on, one after another, at the pace that other calls leave: first one of each lost call, then the others. `looks` tells how far that is and when it ends; asked again meanwhile, nothing is added. A match makes a message `accepted`; none proves nothing. Nothing is ever sent by this.',
        params: broadcastParams(exampleIds.doneBroadcast),
        response: { 202: answers('The looks begin; read the broadcast to follow them.', Broadcast) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      request.trace.broadcastId = request.params.id;
      const sought = await broadcasts.reconcileUnknown(caller.id, request.params.id, (id) => mayUse(caller, id));
      request.trace.connection = sought.connectionId;
      return reply.code(202).header('location', broadcastLocation(sought)).send(toBroadcast(sought, holds));
    },
  );

  const listening = new AbortController();
  const looks = new SharedPolls<Broadcast>();
  app.addHook('preClose', async () => listening.abort());

  app.get(
    '/v1/broadcasts/:id/events',
    {
      config: {
        scope: 'messages:read',
        produces: 'text/event-stream',
        problems: ['not-found', 'store-unavailable'],
      },
      schema: {
        operationId: 'streamBroadcast',
        tags: ['broadcasts'],
        summary: 'Follow a broadcast',
        description:
          'Server-sent events: `progress` with the broadcast whenever it has changed, at most once a second; `end` with its last state, after which the stream ends.\n\nFollow one with curl: `curl -N -H "Authorization: Bearer $KEY" $BFF/v1/broadcasts/{id}/events`. The docs page shows what comes in three seconds.',
        params: broadcastParams(exampleIds.doneBroadcast),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request).id;
      const { id } = request.params;
      // Before the first event: an unknown id is a 404, and no stream.
      const first = toBroadcast(await broadcasts.find(caller, id), holds);
      untilAnswered(reply, takeOrRefuse(eventStreams, caller));
      const find = async () => toBroadcast(await broadcasts.find(caller, id), holds);
      // A key that was taken away, or its scope, ends the stream.
      const look = async () => (mayListen(caller) ? looks.poll(id, find) : undefined);
      const events = Readable.from(progressEvents(first, look, listening.signal), { objectMode: false });
      return reply
        .headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
        .send(events);
    },
  );
};

/** The schema of the headers demands the key. */
export function keyed(request: FastifyRequest): BroadcastScope {
  return { key: '', ...requestScopeOf(request) };
}

export function answerStarted(reply: FastifyReply, { broadcast, replayed }: Started): FastifyReply {
  Object.assign(reply.request.trace, { broadcastId: broadcast.id, connection: broadcast.connectionId });
  return reply
    .code(202)
    .headers({ location: broadcastLocation(broadcast), ...(replayed && { 'idempotency-replayed': 'true' }) })
    .send(toBroadcast(broadcast));
}

/** Every fault of every recipient is found before anything is recorded; the first hundred are told, with the total. */
function assertSound(recipients: readonly BroadcastRecipient[], versions: Sendable): void {
  const fits = (each: WatiTemplate) =>
    recipients.every(({ parameters = {} }) => parameterFaults(each, parameters).length === 0);
  const fitting = versions.find(fits);
  const template = fitting ?? versions[0];
  const first = new Map<string, number>();
  const shown: FieldError[] = [];
  let faults = 0;
  const note = (found: readonly FieldError[], at: number) => {
    faults += found.length;
    for (const { pointer, detail } of found) {
      if (shown.length < faultsShown) shown.push({ pointer: `/recipients/${at}${pointer}`, detail });
    }
  };
  for (const [at, { to, parameters = {} }] of recipients.entries()) {
    const earlier = first.get(to);
    if (earlier === undefined) first.set(to, at);
    else note([{ pointer: '/to', detail: `is given twice, first at /recipients/${earlier}/to` }], at);
    note(parameterFaults(template, parameters), at);
  }
  if (faults === 0) return;
  const detail = `${faults} fault${faults === 1 ? '' : 's'} in the recipients${faults > faultsShown ? `, the first ${faultsShown} of which are listed` : ''}; nothing was sent${fitting ? '' : languagesOf(versions)}`;
  throw new Problem('template-parameters-invalid', detail, { errors: shown });
}

function assertMaySendAll(rules: SendingRules, template: string, recipients: readonly BroadcastRecipient[]): void {
  const check = createSendingCheck(rules);
  check.template(template, bodyPointers.template);
  for (const [at, { to }] of recipients.entries()) check.recipient(to, `/recipients/${at}/to`);
  check.assert();
}

/** What a caller sees of a broadcast. */
export function toBroadcast(stored: KnownBroadcast, holds?: Holds): Broadcast {
  const { id, template, name, connectionId, channel, total, counts, createdAt, updatedAt, finishedAt } = stored;
  const { queued, sending, accepted, rejected, not_sent: notSent, unknown, cancelled } = counts;
  return {
    id,
    template,
    broadcastName: name,
    connectionId,
    ...(channel !== undefined && { channel }),
    ...stateOf(stored, holds),
    counts: { total, queued, sending, accepted, rejected, notSent, unknown, cancelled },
    ...(stored.delivery && { delivery: stored.delivery }),
    ...(stored.rejections && { rejections: stored.rejections }),
    ...(stored.looks && { looks: stored.looks }),
    createdAt,
    updatedAt,
    ...(finishedAt !== undefined && { finishedAt }),
  };
}

/** One that may not go on now is paused, by the service or an operator, for as long as that lasts. */
function stateOf(
  { caller, connectionId, status, counts, pausedBy, pauseReason }: KnownBroadcast,
  holds: Holds | undefined,
): Pick<Broadcast, 'status' | 'pausedBy' | 'pauseReason'> {
  if (status === 'paused') {
    return { status, pausedBy: pausedBy ?? 'caller', ...(pauseReason !== undefined && { pauseReason }) };
  }
  if (status === 'cancelled' || status === 'done') return { status };
  const waits = counts.queued > 0;
  const hold = waits ? holds?.reasonFor({ caller, connection: connectionId, scope: 'broadcasts:send' }) : undefined;
  if (!hold) return { status: 'running' };
  return {
    status: 'paused',
    pausedBy: hold.code === 'sending-stopped' ? 'operator' : 'service',
    pauseReason: hold.detail,
  };
}

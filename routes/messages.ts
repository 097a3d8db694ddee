import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../src/config.ts';
import { isTemplateRefused } from '../src/delivery/outcome.ts';
import {
  type Content,
  contentFingerprint,
  contentIn,
  type SingleContent,
  toUpstreamCall,
} from '../src/delivery/send-content.ts';
import type { Delivery } from '../src/delivery/types.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { logSend } from '../src/http/request-log.ts';
import { type FieldError, invalid } from '../src/problem.ts';
import type { ProblemSlug } from '../src/problem-types.ts';
import { ButtonsPost, FileLinkPost, ListPost, TemplatePost, TextPost } from '../src/schemas/message-posts.ts';
import { SendHeaders } from '../src/schemas/send-headers.ts';
import { assertWithinRules, bodyPointers } from '../src/sending-rules.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import { checkTemplateMessage } from '../src/templates/template-validation.ts';
import { type SendCalls, urlLengthError } from '../src/upstream/send-calls.ts';
import { type ResolveContext, requestedChannel, requesterOf, sendWaitMs } from './request-context.ts';
import { replyWithMessage, sendResponses } from './send-response.ts';
import { assertSchedule } from './send-times.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  config: Config;
  delivery: Delivery;
  sendCalls: SendCalls;
  templates: TemplateCache;
  resolveContext: ResolveContext;
}

/**
 * Config of every sending route in this file. When its handler runs, the plugins have checked the body by its schema, and by this:
 * the key and the caller's rate (`scope`), that sending is not stopped, the quota of the day and the country of the recipient
 * (`sendsMessage`), and that Maton lists the connection (`connection`).
 */
const sending = (problems: ProblemSlug[]) => ({
  scope: 'messages:send' as const,
  connection: true,
  sendsMessage: true,
  preferWait: 'outcome' as const,
  problems: [...problems, 'message-expired' as const],
});
const session = sending(['session-window-closed', 'recipient-invalid', 'recipient-opted-out']);

const route = (operationId: string, summary: string, description: string) => ({
  operationId,
  tags: ['messages'],
  summary,
  description,
  headers: SendHeaders,
  response: sendResponses,
});

interface SendServices extends Services {
  send: ReturnType<typeof createSend>;
  assertFits: ReturnType<typeof createFitCheck>;
}

function createSend({ delivery, templates, resolveContext }: Services) {
  return async (request: FastifyRequest, reply: FastifyReply, content: Content) => {
    const requester = requesterOf(request);
    logSend(request, { ...requester, to: content.body.to });
    const context = await resolveContext(request);
    // Before the checks: a repeat is answered from the record, whatever has happened to its template since.
    const repeated = await delivery.findReplay(requester, () => contentFingerprint(context.connection, content));
    if (repeated) return replyWithMessage(reply, repeated);
    assertSchedule(request, delivery.wallNow());
    assertWithinRules(callerOf(request), content.body, bodyPointers);
    if (content.kind === 'template')
      await checkTemplateMessage(content.body, (name, wanted) => templates.find(context, name, wanted));
    const sent = await delivery.send({ requester, content, context, waitMs: sendWaitMs(request, context) });
    // WATI refused the template, so our cached copy of it is outdated.
    if (isTemplateRefused(sent.stored)) templates.invalidate(context.connection);
    return replyWithMessage(reply, sent);
  };
}

/** As long as the id of any message. */
const anyId = '00000000-0000-4000-8000-000000000000';

/** Throws a fault if the content makes the URL longer than WATI and the servers in between accept. */
function createFitCheck({ config, sendCalls }: Services) {
  return (request: FastifyRequest, content: SingleContent, { pointer, text }: { pointer: string; text?: string }) => {
    const { call } = toUpstreamCall(sendCalls, content, anyId);
    const through = { ...call, channel: requestedChannel(request, config) };
    const detail = urlLengthError(through, config.TEXT_URL_MAX_BYTES, text);
    if (detail !== undefined) throw invalid([{ pointer, detail }]);
  };
}

function sendText(app: TypedApp, { send, assertFits }: SendServices): void {
  app.post(
    '/v1/messages/text',
    {
      config: session,
      schema: {
        ...route('sendText', 'Send a text', 'Within 24 hours of the last message of the customer.'),
        body: TextPost,
      },
    },
    (request, reply) => {
      const content: SingleContent = { kind: 'text', body: contentIn(request.body) };
      assertFits(request, content, { pointer: '/text', text: request.body.text });
      return send(request, reply, content);
    },
  );
}

function sendFileLink(app: TypedApp, { send, assertFits }: SendServices): void {
  app.post(
    '/v1/messages/file-link',
    {
      config: session,
      schema: {
        ...route('sendFileLink', 'Send a file by its address', 'WATI fetches the file. Within the 24-hour window.'),
        body: FileLinkPost,
      },
    },
    (request, reply) => {
      const { url, caption = '' } = request.body;
      const content: SingleContent = { kind: 'file-link', body: contentIn(request.body) };
      const isAddress = encodeURIComponent(url).length > encodeURIComponent(caption).length;
      assertFits(request, content, isAddress ? { pointer: '/url' } : { pointer: '/caption', text: caption });
      return send(request, reply, content);
    },
  );
}

function sendButtons(app: TypedApp, { send }: SendServices): void {
  app.post(
    '/v1/messages/buttons',
    {
      config: session,
      schema: {
        ...route('sendButtons', 'Send a text with buttons', 'One to three. Within the 24-hour window.'),
        body: ButtonsPost,
      },
    },
    (request, reply) => {
      const { header, buttons } = request.body;
      const labels = buttons.map(({ text }) => text);
      const errors = [...headerFaults(header), ...repeated(labels, (at) => `/buttons/${at}/text`)];
      if (errors.length > 0) throw invalid(errors);
      return send(request, reply, { kind: 'buttons', body: contentIn(request.body) });
    },
  );
}

function sendList(app: TypedApp, { send }: SendServices): void {
  app.post(
    '/v1/messages/list',
    {
      config: session,
      schema: {
        ...route('sendList', 'Send a list to choose from', 'At most ten rows in all. Within the 24-hour window.'),
        body: ListPost,
      },
    },
    (request, reply) => {
      const rows = request.body.sections.flatMap(({ rows }, section) =>
        rows.map(({ title }, row) => ({ title, pointer: `/sections/${section}/rows/${row}/title` })),
      );
      const labels = rows.map(({ title }) => title);
      const errors = repeated(labels, (at) => rows[at]?.pointer ?? '');
      if (request.body.sections.length > 1) {
        for (const [at, { title }] of request.body.sections.entries()) {
          const detail = 'is required where there is more than one section';
          if (title === undefined) errors.push({ pointer: `/sections/${at}/title`, detail });
        }
      }
      if (rows.length > 10) errors.push({ pointer: '/sections', detail: `has ${rows.length} rows in all, at most 10` });
      if (errors.length > 0) throw invalid(errors);
      return send(request, reply, { kind: 'list', body: contentIn(request.body) });
    },
  );
}

function sendTemplate(app: TypedApp, { send }: SendServices): void {
  app.post(
    '/v1/messages/template',
    {
      config: sending([
        'template-unknown',
        'template-parameters-invalid',
        'recipient-invalid',
        'recipient-opted-out',
        'session-window-closed',
      ]),
      schema: {
        ...route('sendTemplate', 'Send a template', 'At any time. The parameters are checked before anything is sent.'),
        body: TemplatePost,
      },
    },
    (request, reply) => send(request, reply, { kind: 'template', body: contentIn(request.body) }),
  );
}

export const messages: FastifyPluginAsyncTypebox<Services> = async (app, own) => {
  const services = { ...own, send: createSend(own), assertFits: createFitCheck(own) };
  sendText(app, services);
  sendFileLink(app, services);
  sendButtons(app, services);
  sendList(app, services);
  sendTemplate(app, services);
};

/** The customer's answer contains the label and no id, so labels must differ. */
function repeated(labels: readonly string[], pointer: (at: number) => string): FieldError[] {
  return labels.flatMap((label, at) => {
    const first = labels.findIndex((other) => other.trim().toLowerCase() === label.trim().toLowerCase());
    return first < at ? [{ pointer: pointer(at), detail: `repeats the label of ${pointer(first)}` }] : [];
  });
}

/** Headers of type `text` need a text, others an address; only documents have a file name. */
function headerFaults(header: ButtonsPost['header']): FieldError[] {
  if (!header) return [];
  const { type, text, url, fileName } = header;
  const isText = type === 'text';
  const faults: [boolean, string, string][] = [
    [isText && text === undefined, 'text', 'is required for a text header'],
    [isText && url !== undefined, 'url', 'is not for a text header'],
    [!isText && url === undefined, 'url', `is required for a header of type ${type}`],
    [!isText && text !== undefined, 'text', `is not for a header of type ${type}`],
    [type !== 'document' && fileName !== undefined, 'fileName', 'is for headers of type document'],
  ];
  return faults.flatMap(([wrong, name, detail]) => (wrong ? [{ pointer: `/header/${name}`, detail }] : []));
}

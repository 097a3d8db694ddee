import { randomUUID } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { masked } from '../plugins/access-log.ts';
import type { Config } from '../src/config.ts';
import type { Delivery, Draft } from '../src/delivery/delivery.ts';
import { checkParameters, checkTemplate } from '../src/delivery/preflight.ts';
import type { TemplateCache } from '../src/delivery/template-cache.ts';
import { type FieldError, Problem, type ProblemSlug } from '../src/problem.ts';
import { ButtonsPost, FileLinkPost, ListPost, SendHeaders, TemplatePost, TextPost } from '../src/schemas/message.ts';
import { digits } from '../src/schemas/words.ts';
import { type SendCall, type SendCalls, urlBytes, type WatiButtons } from '../src/upstream/messages.ts';
import { answer, sendResponses } from './answer.ts';
import { type ContextOf, preferredWaitMs } from './context.ts';

interface Services {
  config: Config;
  delivery: Delivery;
  sendCalls: SendCalls;
  templates: TemplateCache;
  contextOf: ContextOf;
}

const sessionProblems: ProblemSlug[] = ['session-window-closed', 'recipient-invalid'];
const templateProblems: ProblemSlug[] = ['template-unknown', 'template-parameters-invalid', 'recipient-invalid'];

const route = (operationId: string, summary: string, description: string) => ({
  operationId,
  tags: ['messages'],
  summary,
  description,
  headers: SendHeaders,
  response: sendResponses,
});

export const messages: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  const { config, delivery, sendCalls, templates, contextOf } = services;

  const send = async (request: FastifyRequest, reply: FastifyReply, draft: Omit<Draft, 'context'>) => {
    if (draft.to !== undefined) request.trace.to = masked(draft.to);
    const context = await contextOf(request);
    const sent = await delivery.send({ ...draft, context }, preferredWaitMs(request, config.SEND_WAIT_MS));
    // WATI knows better than our copy of its templates.
    if (sent.verdict?.outcome === 'rejected' && /^template/.test(sent.verdict.refusal))
      templates.distrust(context.connection);
    return answer(reply, sent);
  };

  /** WATI takes texts in the address, and what stands before it may cut long ones (upstream.md 10, item 2). */
  const fitting = (call: SendCall, pointer: string): SendCall => {
    const bytes = urlBytes(call);
    if (bytes <= config.TEXT_URL_MAX_BYTES) return call;
    const detail = `is too long for WATI once it is encoded: ${bytes} bytes, at most ${config.TEXT_URL_MAX_BYTES}`;
    throw invalid([{ pointer, detail }]);
  };

  app.post(
    '/v1/messages/text',
    {
      config: { scope: 'messages:send', connection: true, sends: true, problems: sessionProblems },
      schema: {
        ...route('sendText', 'Send a text', 'Within 24 hours of the last message of the customer.'),
        body: TextPost,
      },
    },
    (request, reply) => {
      const { to, text, replyTo } = request.body;
      const target = digits(to);
      const localMessageId = randomUUID();
      const call = fitting(sendCalls.text(target, text, localMessageId, replyTo), '/text');
      return send(request, reply, { kind: 'text', to: target, localMessageId, transmission: call });
    },
  );

  app.post(
    '/v1/messages/file-link',
    {
      config: { scope: 'messages:send', connection: true, sends: true, problems: sessionProblems },
      schema: {
        ...route('sendFileLink', 'Send a file by its address', 'WATI fetches the file. Within the 24-hour window.'),
        body: FileLinkPost,
      },
    },
    (request, reply) => {
      const { to, url, caption } = request.body;
      const target = digits(to);
      if (!URL.canParse(url)) throw invalid([{ pointer: '/url', detail: 'is not a URL' }]);
      const call = fitting(sendCalls.fileLink(target, url, caption), caption === undefined ? '/url' : '/caption');
      return send(request, reply, { kind: 'file-link', to: target, transmission: call, expected: { media: true } });
    },
  );

  app.post(
    '/v1/messages/buttons',
    {
      config: { scope: 'messages:send', connection: true, sends: true, problems: sessionProblems },
      schema: {
        ...route('sendButtons', 'Send a text with buttons', 'One to three. Within the 24-hour window.'),
        body: ButtonsPost,
      },
    },
    (request, reply) => {
      const { to, ...content } = request.body;
      const target = digits(to);
      const errors = [
        ...headerFaults(content.header),
        ...repeated(
          content.buttons.map(({ text }) => text),
          (at) => `/buttons/${at}/text`,
        ),
      ];
      if (errors.length > 0) throw invalid(errors);
      return send(request, reply, {
        kind: 'buttons',
        to: target,
        transmission: sendCalls.buttons(target, toWatiButtons(content)),
      });
    },
  );

  app.post(
    '/v1/messages/list',
    {
      config: { scope: 'messages:send', connection: true, sends: true, problems: sessionProblems },
      schema: {
        ...route('sendList', 'Send a list to choose from', 'At most ten rows in all. Within the 24-hour window.'),
        body: ListPost,
      },
    },
    (request, reply) => {
      const { to, ...content } = request.body;
      const target = digits(to);
      const rows = content.sections.flatMap(({ rows }, section) =>
        rows.map(({ title }, row) => ({ title, pointer: `/sections/${section}/rows/${row}/title` })),
      );
      const errors = repeated(
        rows.map(({ title }) => title),
        (at) => rows[at]?.pointer ?? '',
      );
      if (rows.length > 10) errors.push({ pointer: '/sections', detail: `has ${rows.length} rows in all, at most 10` });
      if (errors.length > 0) throw invalid(errors);
      return send(request, reply, { kind: 'list', to: target, transmission: sendCalls.list(target, content) });
    },
  );

  app.post(
    '/v1/messages/template',
    {
      config: { scope: 'messages:send', connection: true, sends: true, problems: templateProblems },
      schema: {
        ...route('sendTemplate', 'Send a template', 'At any time. The parameters are checked before anything is sent.'),
        body: TemplatePost,
      },
    },
    async (request, reply) => {
      const { to, template, parameters = {}, broadcastName = template } = request.body;
      const phone = digits(to);
      checkParameters(checkTemplate(await templates.find(await contextOf(request), template), template), parameters);
      const receiver = { phone, localMessageId: randomUUID() };
      return send(request, reply, {
        kind: 'template',
        to: phone,
        template,
        localMessageId: receiver.localMessageId,
        transmission: sendCalls.template({ name: template, broadcastName }, [{ ...receiver, parameters }]),
        expected: { receiver },
      });
    },
  );
};

const invalid = (errors: FieldError[]) =>
  new Problem(
    'validation-failed',
    `${errors.length} fault${errors.length === 1 ? '' : 's'} in the request; nothing was sent`,
    { errors },
  );

/** The customer's answer carries the label and no id, so labels must differ (upstream.md 3.7). */
function repeated(labels: string[], pointer: (at: number) => string): FieldError[] {
  return labels.flatMap((label, at) => {
    const first = labels.findIndex((other) => other.trim().toLowerCase() === label.trim().toLowerCase());
    return first < at ? [{ pointer: pointer(at), detail: `repeats the label of ${pointer(first)}` }] : [];
  });
}

/** `text` headers have a text, the others an address; a file name is for documents (upstream.md 7). */
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

const headerTypes = { text: 'Text', image: 'Image', video: 'Video', document: 'Document' } as const;

export function toWatiButtons({ header, ...rest }: Omit<ButtonsPost, 'to'>): WatiButtons {
  if (!header) return rest;
  const { type, text, url, fileName } = header;
  return {
    ...rest,
    header: {
      type: headerTypes[type],
      ...(text !== undefined && { text }),
      ...(url !== undefined && { media: { url, ...(fileName !== undefined && { fileName }) } }),
    },
  };
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { checkParameters } from '../src/delivery/preflight.ts';
import type { TemplateCache } from '../src/delivery/template-cache.ts';
import { Problem } from '../src/problem.ts';
import {
  type RenderedTemplate as Rendered,
  RenderedTemplate,
  Template,
  TemplatePage,
  TemplateParams,
  TemplatePreview,
  TemplateQuery,
} from '../src/schemas/template.ts';
import { fill, type WatiTemplate } from '../src/upstream/templates.ts';
import type { ContextOf } from './context.ts';

interface Services {
  templates: TemplateCache;
  contextOf: ContextOf;
}

export const templates: FastifyPluginAsyncTypebox<Services> = async (app, { templates, contextOf }) => {
  /** A cache takes `Age` off `max-age` (RFC 9111, 4.2): what is left is what our own list has left. */
  const aged = (ageMs: number) => ({
    'cache-control': `private, max-age=${Math.floor(templates.ttlMs / 1000)}`,
    age: String(Math.floor(ageMs / 1000)),
  });

  app.get(
    '/v1/templates',
    {
      config: { scope: 'templates:read', connection: true, keeps: 'aged' },
      schema: {
        operationId: 'listTemplates',
        tags: ['templates'],
        summary: 'List templates',
        description: 'Answered from a list that is read again once a minute; `Age` says how old it is, in seconds.',
        querystring: TemplateQuery,
        response: { 200: TemplatePage },
      },
    },
    async (request, reply) => {
      const { page, pageSize, status, language, name } = request.query;
      const { templates: all, ageMs } = await templates.all(await contextOf(request));
      reply.headers(aged(ageMs));
      const wanted = all.filter(
        (template) =>
          (status === undefined || template.status === status.toLowerCase()) &&
          (language === undefined || template.language?.toLowerCase() === language.toLowerCase()) &&
          (name === undefined || template.elementName.toLowerCase().includes(name.toLowerCase())),
      );
      const data = wanted.slice((page - 1) * pageSize, page * pageSize).map(toTemplate);
      return { data, page: { number: page, size: pageSize, total: wanted.length } };
    },
  );

  app.get(
    '/v1/templates/:name',
    {
      config: { scope: 'templates:read', connection: true, problems: ['not-found'], keeps: 'aged' },
      schema: {
        operationId: 'getTemplate',
        tags: ['templates'],
        summary: 'Read a template',
        description: 'With the names of its parameters in body order. As old as the list, which `Age` tells.',
        params: TemplateParams,
        response: { 200: Template },
      },
    },
    async (request, reply) => {
      const { template, ageMs } = await templates.look(await contextOf(request), request.params.name);
      if (!template) throw new Problem('not-found', 'WATI has no template of this name');
      reply.headers(aged(ageMs));
      return toTemplate(template);
    },
  );

  app.post(
    '/v1/templates/:name/preview',
    {
      config: { scope: 'templates:read', connection: true, problems: ['not-found', 'template-parameters-invalid'] },
      schema: {
        operationId: 'previewTemplate',
        tags: ['templates'],
        summary: 'Try the parameters of a template',
        description: 'Answers the text that the customer would read, or every fault in the parameters. Sends nothing.',
        params: TemplateParams,
        body: TemplatePreview,
        response: { 200: RenderedTemplate },
      },
    },
    async (request) => {
      const found = await templates.find(await contextOf(request), request.params.name);
      if (!found) throw new Problem('not-found', 'WATI has no template of this name');
      const { parameters = {} } = request.body;
      checkParameters(found, parameters);
      return render(found, parameters);
    },
  );
};

function render(template: WatiTemplate, parameters: Record<string, string>): Rendered {
  return {
    template: template.elementName,
    ...(template.header?.text !== undefined && { header: fill(template.header.text, parameters) }),
    body: fill(template.bodyOriginal, parameters),
    ...(template.footer !== undefined && { footer: template.footer }),
  };
}

function toTemplate(raw: WatiTemplate): Template {
  const { header, buttons, category, language, footer } = raw;
  return {
    id: raw.id,
    name: raw.elementName,
    status: raw.status,
    ...(category !== undefined && { category }),
    ...(language !== undefined && { language }),
    parameters: raw.names,
    ...(header && {
      header: {
        type: header.type,
        ...(header.text !== undefined && { text: header.text }),
        ...(header.link !== undefined && { url: header.link }),
      },
    }),
    body: raw.bodyOriginal,
    ...(footer !== undefined && { footer }),
    ...(buttons.length > 0 && {
      buttons: buttons.map(({ type, text, url }) => ({
        type,
        ...(text !== undefined && { text }),
        ...(url !== undefined && { url }),
      })),
    }),
  };
}

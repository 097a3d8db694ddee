import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Problem } from '../src/problem.ts';
import {
  RenderedTemplate,
  Template,
  TemplateLanguage,
  TemplatePage,
  TemplateParams,
  TemplatePreview,
  TemplateQuery,
} from '../src/schemas/template.ts';
import type { TemplateCache, TemplateMatches } from '../src/templates/template-cache.ts';
import { checkParameters, meant, parameterFaults, takes } from '../src/templates/template-validation.ts';
import type { WatiTemplate } from '../src/upstream/templates.ts';
import { partOf, render } from './rendered-template.ts';
import type { ResolveContext } from './request-context.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  templates: TemplateCache;
  resolveContext: ResolveContext;
}

/** Caches subtract `Age` from `max-age` (RFC 9111, 4.2), so what remains is the remaining lifetime of our own list. */
const aged = (ttlMs: number, ageMs: number) => ({
  'cache-control': `private, max-age=${Math.floor(ttlMs / 1000)}`,
  age: String(Math.floor(ageMs / 1000)),
});

function listTemplates(app: TypedApp, { templates, resolveContext }: Services): void {
  app.get(
    '/v1/templates',
    {
      config: { scope: 'templates:read', connection: true, cacheControl: 'aged' },
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
      const { templates: all, ageMs } = await templates.all(await resolveContext(request));
      reply.headers(aged(templates.ttlMs, ageMs));
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
}

function getTemplate(app: TypedApp, { templates, resolveContext }: Services): void {
  app.get(
    '/v1/templates/:name',
    {
      config: { scope: 'templates:read', connection: true, problems: ['not-found'], cacheControl: 'aged' },
      schema: {
        operationId: 'getTemplate',
        tags: ['templates'],
        summary: 'Read a template',
        description:
          'With the names of its parameters, those of the body first. As old as the list, which `Age` tells. Where a name is there in several languages, `otherLanguages` says so and `language` asks for one; a message names the template alone, and WATI chooses.',
        params: TemplateParams,
        querystring: TemplateLanguage,
        response: { 200: Template },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const found = await templates.find(await resolveContext(request), name, request.query);
      const template = oneOf(found, request.query.language);
      const { ageMs } = found;
      reply.headers(aged(templates.ttlMs, ageMs));
      const others = found.languages.filter((each) => each !== template.language);
      return { ...toTemplate(template), ...(others.length > 0 && { otherLanguages: others }) };
    },
  );
}

function previewTemplate(app: TypedApp, { templates, resolveContext }: Services): void {
  app.post(
    '/v1/templates/:name/preview',
    {
      config: { scope: 'templates:read', connection: true, problems: ['not-found', 'template-parameters-invalid'] },
      schema: {
        operationId: 'previewTemplate',
        tags: ['templates'],
        summary: 'Try the parameters of a template',
        description:
          'Answers what the customer would read (header, body, footer, buttons, cards), or every fault in the parameters. Sends nothing.',
        params: TemplateParams,
        body: TemplatePreview,
        response: { 200: RenderedTemplate },
      },
    },
    async (request) => {
      const { parameters = {}, language } = request.body;
      const wanted = { language, fits: takes(parameters) };
      const found = await templates.find(await resolveContext(request), request.params.name, wanted);
      const first = oneOf(found, language);
      const approved = found.versions.filter(({ status }) => status === first.status);
      const template = approved.find((each) => parameterFaults(each, parameters).length === 0) ?? first;
      checkParameters([template, ...approved.filter((each) => each !== template)], parameters);
      return render(template, parameters);
    },
  );
}

export const templates: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  listTemplates(app, services);
  getTemplate(app, services);
  previewTemplate(app, services);
};

/** The template of this name, in its approved version if there is one. Throws `not-found`. */
function oneOf({ versions: [first], near, languages }: TemplateMatches, language: string | undefined): WatiTemplate {
  if (first) return first;
  const elsewhere =
    language !== undefined && languages.length > 0 ? ` in this language; it is there in ${languages.join(', ')}` : '';
  throw new Problem('not-found', `WATI has no template of this name${elsewhere}${meant(near)}`);
}

function toTemplate(raw: WatiTemplate): Template {
  const { category, language, footer, cards, open } = raw;
  // WATI also lists positions for templates that have names. It accepts them, but they are of no use to callers.
  const others = raw.others.filter((name) => !/^\d+$/.test(name));
  return {
    id: raw.id,
    name: raw.elementName,
    status: raw.status,
    ...(category !== undefined && { category }),
    ...(language !== undefined && { language }),
    parameters: raw.names,
    ...(others.length > 0 && { optionalParameters: others }),
    ...(open && { takesOtherParameters: true }),
    ...partOf(raw),
    ...(footer !== undefined && { footer }),
    ...(cards.length > 0 && { cards: cards.map(partOf) }),
  };
}

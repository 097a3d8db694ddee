import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static, TSchema } from 'typebox';
import { didYouMean } from '../src/lib/did-you-mean.ts';
import { inHtml, page, plainPagePolicy } from '../src/lib/html.ts';
import { Type } from '../src/lib/type.ts';
import { Problem } from '../src/problem.ts';
import { problemTypes } from '../src/problem-types.ts';
import { ProblemTypeDocument, ProblemTypeList } from '../src/schemas/problem.ts';
import { listMembers } from './header-lists.ts';

type ProblemType = Static<typeof ProblemTypeDocument>;

/** The pages that problem types point to: JSON for programs, HTML for a person who follows the link in a browser. */
export const problemPages: FastifyPluginAsyncTypebox = async (app) => {
  const { list, bySlug } = makePages();

  app.get(
    '/problems',
    {
      schema: {
        operationId: 'listProblemTypes',
        tags: ['operations'],
        summary: 'Every problem type',
        description: 'As `GET /problems/{slug}` has them. Needs no key. In a browser: a page.',
        response: { 200: inBothForms('By status.', ProblemTypeList) },
      },
    },
    (request, reply) => send(list, request, reply),
  );

  app.get(
    '/problems/:slug',
    {
      config: { problems: ['not-found'] },
      schema: {
        operationId: 'getProblemType',
        tags: ['operations'],
        summary: 'What a problem type means',
        description:
          'Meaning, typical cause, remedy, and whether a repeat is safe. Needs no key. In a browser: a page to read.',
        params: Type.Object({ slug: Type.String({ examples: ['session-window-closed'] }) }),
        response: { 200: inBothForms('What it means and what to do.', ProblemTypeDocument) },
      },
    },
    (request, reply) => {
      const { slug } = request.params;
      const found = bySlug.get(slug);
      if (!found)
        throw new Problem('not-found', `there is no such problem type${didYouMean(slug, [...bySlug.keys()])}`);
      send(found, request, reply);
    },
  );
};

/** A page in both formats, built once. */
interface Written {
  readonly json: Buffer;
  readonly html: Buffer;
}

/** Built once, at the start, and sent unchanged. */
function makePages(): { list: Written; bySlug: ReadonlyMap<string, Written> } {
  const data = Object.entries(problemTypes)
    .map(([slug, type]) => ({ type: `/problems/${slug}`, slug, ...type }))
    .sort((a, b) => a.status - b.status);
  const types = data.map(({ slug: _, ...type }) => type);
  const links = types.map(({ type, status, title }) => `<li><a href="${type}">${status} ${inHtml(title)}</a></li>`);
  const written = (json: object, html: string): Written => ({
    json: Buffer.from(JSON.stringify(json)),
    html: Buffer.from(html),
  });
  return {
    list: written({ data: types }, page('Problem types', `<ul>\n${links.join('\n')}\n</ul>`)),
    bySlug: new Map(data.map(({ slug, ...type }) => [slug, written(type, page(type.title, explained(type)))])),
  };
}

/** JSON unless the client prefers HTML, as browsers do. The page has its own style and no script. */
function send({ json, html }: Written, request: FastifyRequest, reply: FastifyReply): void {
  reply.header('vary', 'accept');
  if (prefersHtml(request.headers.accept)) {
    reply.header('content-security-policy', plainPagePolicy).type('text/html; charset=utf-8').send(html);
  } else {
    reply.type('application/json; charset=utf-8').send(json);
  }
}

function inBothForms<Schema extends TSchema>(description: string, schema: Schema) {
  const html = { schema: Type.String(), example: '<!doctype html>…' };
  return { description, content: { 'application/json': { schema }, 'text/html': html } };
}

/** Whether `Accept` (RFC 9110, 12.5.1) prefers HTML to JSON. An absent header, or one that accepts anything, does not. */
function prefersHtml(accept = '*/*'): boolean {
  const ranges = listMembers(accept).map((range) => {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return { name, weight: weight === undefined ? 1 : Number(weight.slice(2)) };
  });
  const weightOf = (type: string) =>
    [type, `${type.split('/', 1)[0]}/*`, '*/*']
      .map((name) => ranges.find((range) => range.name === name)?.weight)
      .find((weight) => weight !== undefined) ?? 0;
  return weightOf('text/html') > weightOf('application/json');
}

function explained({ type, status, meaning, cause, remedy, repeat }: ProblemType): string {
  const answers: [string, string][] = [
    ['What it means', meaning],
    ['Typical cause', cause],
    ['What to do', remedy],
    ['Is a repeat safe?', repeat],
  ];
  const list = answers.map(([question, answer]) => `<dt>${question}</dt>\n<dd>${inHtml(answer)}</dd>`);
  return `<p>Status ${status}, type <code>${inHtml(type)}</code></p>
<dl>
${list.join('\n')}
</dl>
<p><a href="/problems">All problem types</a></p>`;
}

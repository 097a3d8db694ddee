import type { TemplateMatches, Wanted } from '../templates/template-cache.ts';
import { checkParameters, checkTemplate, takes } from '../templates/template-validation.ts';
import type { Content } from './send-content.ts';

/** A template must be approved and its parameters must fit it; all other content passes. Throws the Problem that says why not. */
export async function checkContent(
  content: Content,
  find: (name: string, wanted: Wanted) => Promise<TemplateMatches>,
): Promise<void> {
  if (content.kind !== 'template') return;
  const { template, parameters = {} } = content.body;
  checkParameters(checkTemplate(await find(template, { fits: takes(parameters) }), template), parameters);
}

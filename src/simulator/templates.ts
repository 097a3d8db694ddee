import { type Answer, type Call, ok } from './call.ts';
import { pageOf } from './paging.ts';
import type { Template, Tenant } from './state.ts';

export function getMessageTemplates(call: Call, tenant: Tenant): Answer {
  const page = pageOf(tenant.templates, call.query, {
    base: tenant.settings.pageBase,
    path: '/api/v1/getMessageTemplates',
  });
  return ok({ result: 'success', messageTemplates: page.items, link: page.link });
}

/** Required parameters: the body's in its order, then those of headers, buttons, cards and other parts by name. */
export function parameterNames(template: Template): readonly string[] {
  const { body: _, hsm: __, hsmOriginal: ___, customParams: ____, bodyOriginal, ...rest } = template;
  const elsewhere = JSON.stringify(rest);
  const mapped = [...elsewhere.matchAll(/"paramName":"([^"]+)"/g)].map((match) => match[1] ?? '');
  const named = [...namesIn(elsewhere), ...mapped].filter((name) => !/^\d+$/.test(name));
  return [...new Set([...namesIn(bodyOriginal), ...named])];
}

const namesIn = (text: string): readonly string[] =>
  [...text.matchAll(/\{\{\s*([^{}\s]+)\s*\}\}/g)].map((match) => match[1] ?? '');

export function renderTemplate(template: Template, values: ReadonlyMap<string, string>): string {
  return template.bodyOriginal.replace(/\{\{\s*([^{}\s]+)\s*\}\}/g, (whole, name: string) => values.get(name) ?? whole);
}

/** The labels of quick-reply buttons. */
export function quickReplies({ buttons }: Template): readonly string[] {
  return buttons.flatMap(({ type, parameter, text }) => {
    if (!/^quick_?reply$/i.test(String(type))) return [];
    const nested: unknown =
      typeof parameter === 'object' && parameter !== null && 'text' in parameter && parameter.text;
    const label = nested || text;
    return typeof label === 'string' ? [label] : [];
  });
}

import { type Answer, type Call, ok } from './call.ts';
import { pageOf } from './paging.ts';
import type { Tenant } from './tenant.ts';

/** A template as WATI lists it. */
export interface Template {
  readonly id: string;
  /** The name to send. */
  readonly elementName: string;
  category: string;
  /** In any case. Only an approved one can be sent. */
  status: string;
  /** Not in body order, and with names that no text uses. */
  readonly customParams: readonly { readonly paramName: string; readonly paramValue: string }[];
  readonly language: { readonly key: string; readonly value: string; readonly text: string };
  readonly lastModified: string;
  readonly type: string;
  readonly header: Readonly<Record<string, unknown>> | null;
  /** With positional variables, always. */
  readonly body: string;
  /** As it was written: with names, or with positions. */
  readonly bodyOriginal: string;
  readonly footer: string | null;
  readonly buttons: readonly Readonly<Record<string, unknown>>[];
  readonly buttonsType: string;
  readonly [field: string]: unknown;
}

export function getMessageTemplates(call: Call, tenant: Tenant): Answer {
  const page = pageOf(tenant.templates, call.query, tenant.settings.pageBase, '/api/v1/getMessageTemplates');
  return ok({ result: 'success', messageTemplates: page.items, link: page.link });
}

/** What must be supplied: the body's in its order, then what headers, buttons, cards and the rest take by name. */
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

import { foreignPatterns } from '../patterns.ts';
import { type CallContext, type Client, strange } from './client.ts';
import { isObject, type JsonObject, list, num, params, str } from './lenient.ts';

/** WATI's template in WATI's words (upstream.md 3.5). `names` are its variables in body order. */
export interface WatiTemplate {
  id: string;
  elementName: string;
  status: string;
  category: string | undefined;
  language: string | undefined;
  names: string[];
  header: { type: string; text: string | undefined; link: string | undefined } | undefined;
  bodyOriginal: string;
  footer: string | undefined;
  buttons: { type: string; text: string | undefined; url: string | undefined }[];
}

export interface Templates {
  /** All templates of a connection, deleted ones left in, as WATI lists them. */
  all(context: CallContext): Promise<WatiTemplate[]>;
}

const pageSize = 100;
const pagesMax = 50;

export function createTemplates(client: Client): Templates {
  return {
    all: async (context) => {
      const found = new Map<string, WatiTemplate>();
      for (let pageNumber = 1; pageNumber <= pagesMax; pageNumber++) {
        const query = { pageSize, pageNumber };
        const path = '/api/v1/getMessageTemplates';
        const body = await client.get(context, { operation: 'getMessageTemplates', path, query });
        if (!isObject(body) || !Array.isArray(body.messageTemplates)) throw strange(200);
        const page = list(body.messageTemplates);
        const before = found.size;
        for (const template of page.flatMap((raw) => readTemplate(raw) ?? [])) found.set(template.id, template);
        // Some tenants repeat a page or start at 0 (upstream.md 3.1): no new id, or all of `total`, is the end.
        const total = isObject(body.link) ? num(body.link.total) : undefined;
        if (page.length < pageSize || found.size === before || found.size === total) break;
      }
      return [...found.values()];
    },
  };
}

export function readTemplate(raw: unknown): WatiTemplate | undefined {
  if (!isObject(raw)) return undefined;
  const elementName = str(raw.elementName) ?? str(raw.name);
  if (elementName === undefined) return undefined;
  const body = cut(str(raw.body) ?? str(raw.bodyOriginal)) ?? '';
  const bodyOriginal = cut(str(raw.bodyOriginal)) ?? body;
  const language = isObject(raw.language) ? (str(raw.language.key) ?? str(raw.language.value)) : str(raw.language);
  const header = readHeader(raw.header);
  const buttons = list(raw.buttons).filter(isObject).slice(0, buttonsMax).map(readButton);
  return {
    id: str(raw.id) ?? `${elementName}/${language ?? ''}`,
    elementName,
    status: (str(raw.status) ?? 'unknown').toLowerCase(),
    category: str(raw.category),
    language,
    names: variableNames(bodyOriginal, header?.text, buttons, Object.keys(params(raw.customParams))),
    header,
    bodyOriginal,
    footer: cut(str(raw.footer)),
    buttons,
  };
}

/** A body has 1,024 characters at most, each of one or two units; a button's address 2,000. */
const textMax = 2_048;
/** WhatsApp takes ten. */
const buttonsMax = 16;

const cut = (text: string | undefined): string | undefined => text?.slice(0, textMax).toWellFormed();

/** The names of the variables in a text, in order. */
const namesIn = (text: string): string[] =>
  [...text.matchAll(foreignPatterns.variable.pattern)].map((match) => match[1]?.trim() ?? '').filter(Boolean);

/**
 * The names to send, in body order. `customParams` has another order and junk in it, so it is not asked for the body
 * (upstream.md 3.5); names in the header or in a button's address follow, if `customParams` knows them.
 */
function variableNames(
  body: string,
  header: string | undefined,
  buttons: WatiTemplate['buttons'],
  known: string[],
): string[] {
  const inBody = namesIn(body);
  const elsewhere = [header ?? '', ...buttons.map((button) => button.url ?? '')]
    .flatMap(namesIn)
    .filter((name) => known.includes(name));
  return [...new Set([...inBody, ...elsewhere])];
}

/** `{{name}}` replaced by its value; a variable without a value stays as it is. */
export const fill = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(foreignPatterns.variable.pattern, (whole, braced: string) => {
    const name = braced.trim();
    return Object.hasOwn(values, name) ? (values[name] ?? whole) : whole;
  });

function readHeader(raw: unknown): WatiTemplate['header'] {
  if (!isObject(raw)) return undefined;
  const type = str(raw.typeString) ?? str(raw.type);
  return type === undefined
    ? undefined
    : { type: type.toLowerCase(), text: cut(str(raw.headerOriginal) ?? str(raw.text)), link: cut(str(raw.link)) };
}

function readButton(raw: JsonObject): WatiTemplate['buttons'][number] {
  const inner = isObject(raw.parameter) ? raw.parameter : raw;
  return {
    type: (str(raw.type) ?? 'unknown').toLowerCase(),
    text: cut(str(inner.text)),
    url: cut(str(inner.urlOriginal) ?? str(inner.url)),
  };
}

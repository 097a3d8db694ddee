import { foreignPatterns } from '../patterns.ts';
import { type CallContext, type Client, strange } from './client.ts';
import { isObject, type JsonObject, list, params, str } from './lenient.ts';
import { entriesIn, inSmallerPages, linkIn, type Page, type PageAsk, pagesOf } from './pages.ts';

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

/** The second where templates are so large that a page of the first is too long. */
const pageSizes = [100, 20] as const;
/** So many templates are read. */
const templatesMax = 5_000;

export function createTemplates(client: Client): Templates {
  const read = async (context: CallContext, query: PageAsk): Promise<Page<WatiTemplate>> => {
    const path = '/api/v1/getMessageTemplates';
    const body = await client.get(context, { operation: 'getMessageTemplates', path, query: { ...query } });
    if (!isObject(body)) throw strange(200);
    const entries = entriesIn(body, body.messageTemplates);
    const items = entries.flatMap((raw) => readTemplate(raw) ?? []);
    return { items, sent: entries.length, link: linkIn(body) };
  };

  const all = async (context: CallContext, pageSize: number) => {
    const found = new Map<string, WatiTemplate>();
    const pagesMax = templatesMax / pageSize;
    const pages = pagesOf((ask) => read(context, ask), { pageSize, pagesMax, keyOf: ({ id }) => id });
    for await (const page of pages) for (const template of page) found.set(template.id, template);
    return [...found.values()];
  };

  return {
    all: (context) => inSmallerPages(pageSizes, (pageSize) => all(context, pageSize)),
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

import { foreignPatterns } from '../lib/patterns.ts';
import { type CallContext, type Client, unrecognizedResponse } from './client.ts';
import { entriesIn, inSmallerPages, linkIn, type Page, type PageRequest, pagesOf } from './pages.ts';
import { cutText, type TemplateVariables, variablesOf } from './template-variables.ts';
import { asArray, asString, fieldOf, isObject, type JsonObject, plain } from './tolerant-reader.ts';

/** A template with WATI's names; its texts have the variables by name. */
export interface WatiTemplate extends TemplatePart, Pick<TemplateVariables, 'names' | 'others' | 'open'> {
  id: string;
  elementName: string;
  status: string;
  category: string | undefined;
  language: string | undefined;
  footer: string | undefined;
  /** Cards of a carousel. */
  cards: TemplatePart[];
}

/** What the template itself and each card of a carousel have in common. */
export interface TemplatePart {
  header: { type: string; text: string | undefined; link: string | undefined } | undefined;
  bodyOriginal: string;
  buttons: { type: string; text: string | undefined; url: string | undefined }[];
}

export interface Templates {
  /** All templates of a connection, deleted ones included, as WATI lists them. */
  all(context: CallContext): Promise<WatiTemplate[]>;
}

/** Page sizes. The second is used if the templates are so large that a page of the first exceeds the limit of an answer. */
const pageSizes = [100, 20] as const;
/** The most templates that are read. */
const templatesMax = 5_000;

export function createTemplates(client: Client): Templates {
  const read = async (context: CallContext, query: PageRequest): Promise<Page<WatiTemplate>> => {
    const path = '/api/v1/getMessageTemplates';
    const body = await client.get(context, { operation: 'getMessageTemplates', path, query: { ...query } });
    if (!isObject(body)) throw unrecognizedResponse(200);
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
  const elementName = asString(raw.elementName) ?? asString(raw.name);
  if (elementName === undefined) return undefined;
  const { texts, ...variables } = variablesOf(raw);
  const read = readerOf(texts);
  const given = fieldOf(raw, 'language') ?? fieldOf(raw, 'languageOption');
  const language = isObject(given) ? (asString(given.key) ?? asString(given.value)) : asString(given);
  const body = ['body', 'bodyOriginal', 'hsm', 'hsmOriginal'].map((name) => asString(fieldOf(raw, name)));
  const cards = asArray(fieldOf(raw, 'carouselCards')).slice(0, cardsMax);
  return {
    id: asString(raw.id) ?? `${elementName}/${language ?? ''}`,
    elementName,
    status: (asString(raw.status) ?? 'unknown').toLowerCase(),
    category: asString(raw.category),
    language,
    ...variables,
    ...readPart(raw, '', read),
    bodyOriginal: texts.get('body') ?? cutText(body.find((each) => each !== undefined)) ?? '',
    footer: read(raw, '', 'footer'),
    cards: cards.flatMap((card, at) =>
      isObject(card) ? [readPart(card, `${keyOf(raw, 'carouselCards')}.${at}.`, read)] : [],
    ),
  };
}

/** WhatsApp allows ten buttons. */
const buttonsMax = 16;
const cardsMax = 16;

/** A text of this object, with its variables by name if they are known. */
type Read = (of: JsonObject, path: string, name: string) => string | undefined;

const readerOf =
  (texts: TemplateVariables['texts']): Read =>
  (of, path, name) => {
    const text = asString(fieldOf(of, name)) ?? asString(fieldOf(of, `${name}Original`));
    return (
      texts.get(`${path}${keyOf(of, name)}`) ?? texts.get(`${path}${keyOf(of, `${name}Original`)}`) ?? cutText(text)
    );
  };

/** The name of a field as this object spells it. */
const keyOf = (of: JsonObject, name: string): string =>
  Object.keys(of).find((key) => plain(key) === plain(name)) ?? name;

function readPart(raw: JsonObject, path: string, read: Read): TemplatePart {
  const buttons = asArray(raw.buttons).slice(0, buttonsMax);
  return {
    header: readHeader(raw.header, `${path}header.`, read),
    bodyOriginal: read(raw, path, 'body') ?? '',
    buttons: buttons.flatMap((button, at) =>
      isObject(button) ? [readButton(button, `${path}buttons.${at}.`, read)] : [],
    ),
  };
}

/** `{{name}}` replaced by its value; a variable without a value stays as it is. */
export const fill = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(foreignPatterns.variable.pattern, (whole, braced: string) => {
    const name = braced.trim();
    return Object.hasOwn(values, name) ? (values[name] ?? whole) : whole;
  });

/** In the order in which WATI names the kinds. */
const headerTypes = ['none', 'text', 'image', 'video', 'document'];

function readHeader(raw: unknown, path: string, read: Read): TemplatePart['header'] {
  if (!isObject(raw)) return undefined;
  const number = asString(fieldOf(raw, 'type'));
  const type =
    asString(fieldOf(raw, 'headerTypeString')) ??
    asString(fieldOf(raw, 'typeString')) ??
    (/^\d$/.test(number ?? '') ? (headerTypes[Number(number)] ?? number) : number);
  if (type === undefined || type.toLowerCase() === 'none') return undefined;
  const text = read(raw, path, 'text') ?? read(raw, path, 'headerOriginal');
  return { type: type.toLowerCase(), text, link: read(raw, path, 'link') };
}

function readButton(raw: JsonObject, path: string, read: Read): TemplatePart['buttons'][number] {
  const inner = isObject(raw.parameter) ? raw.parameter : raw;
  const at = isObject(raw.parameter) ? `${path}parameter.` : path;
  return {
    type: (asString(raw.type) ?? 'unknown').toLowerCase(),
    text: read(inner, at, 'text'),
    url: read(inner, at, 'url'),
  };
}

import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Ids } from './ids.ts';
import { exact, text } from './schemas/common.ts';
import { templateFrom } from './seed-templates.ts';
import type { Template, Tenant } from './state.ts';

const words = Type.Optional(Type.String({ maxLength: 2_000 }));
/** `text`, `image`, `video` and `document`, or the kind of a button, as the service names them. */
const kind = Type.String({ pattern: '^[A-Za-z_]{1,32}$' });

const Part = {
  body: text(4_096),
  header: Type.Optional(exact({ type: kind, text: words, url: words })),
  buttons: Type.Optional(Type.Array(exact({ type: kind, text: words, url: words }), { maxItems: 10 })),
};
const Card = exact(Part);

/** A template in the form of `GET /v1/templates`; derived fields are ignored. */
const GivenTemplate = exact({
  name: Type.String({ minLength: 1, maxLength: 512, pattern: '^[^\\u0000-\\u001f]+$' }),
  ...Part,
  status: Type.Optional(Type.String({ pattern: '^[A-Za-z]{1,32}$' })),
  category: Type.Optional(Type.String({ pattern: '^[A-Za-z_]{1,64}$' })),
  language: Type.Optional(Type.String({ pattern: '^[A-Za-z_-]{1,16}$' })),
  footer: words,
  cards: Type.Optional(Type.Array(Card, { maxItems: 10 })),
  id: Type.Optional(Type.Unknown()),
  parameters: Type.Optional(Type.Unknown()),
  optionalParameters: Type.Optional(Type.Unknown()),
  otherLanguages: Type.Optional(Type.Unknown()),
  takesOtherParameters: Type.Optional(Type.Unknown()),
});
type GivenTemplate = Static<typeof GivenTemplate>;

const validator = Compile(GivenTemplate);
const templatesMax = 1_000;

export const templatesForm =
  'one template {"name": ..., "body": "Hi {{name}}", ...}, a list of them, or {"data": [...]} as GET /v1/templates answers';

/** Parses templates from JSON. A string says what is wrong with it. */
export function readTemplates(json: unknown): GivenTemplate[] | string {
  const given = listIn(json);
  if (given.length === 0 || given.length > templatesMax) return `There must be 1 to ${templatesMax} templates`;
  const templates: GivenTemplate[] = [];
  for (const [at, each] of given.entries()) {
    if (validator.Check(each)) templates.push(each);
    else {
      const [fault] = validator.Errors(each);
      return `Template ${at + 1}${fault ? ` ${fault.instancePath} ${fault.message}` : ''}: it must be ${templatesForm}`;
    }
  }
  return templates;
}

function listIn(json: unknown): readonly unknown[] {
  if (Array.isArray(json)) return json;
  const isPage = typeof json === 'object' && json !== null && 'data' in json && Array.isArray(json.data);
  return isPage && Array.isArray(json.data) ? json.data : [json];
}

/** Adds templates to the tenant, and replaces those of the same name and language. */
export function addTemplates(tenant: Tenant, given: readonly GivenTemplate[]): Template[] {
  return given.map((each) => {
    const template = toTemplate(each, tenant.ids);
    const at = tenant.templates.findIndex(
      ({ elementName, language }) => elementName === template.elementName && language.key === template.language.key,
    );
    if (at === -1) tenant.templates.push(template);
    else tenant.templates[at] = template;
    return template;
  });
}

function toTemplate(given: GivenTemplate, ids: Ids): Template {
  const { name, body, status, category, footer, language: key = 'en', cards = [] } = given;
  const carouselCards = cards.map((card) => ({ body: card.body, bodyOriginal: card.body, ...headAndButtons(card) }));
  return templateFrom(
    {
      name,
      body,
      language: { key, value: key, text: key },
      status: (status ?? 'approved').toUpperCase(),
      ...headAndButtons(given),
      ...(category !== undefined && { category }),
      ...(footer !== undefined && { footer }),
      ...(cards.length > 0 && { more: { carouselCards } }),
      moreNames: namesIn(JSON.stringify([given.header, given.buttons, carouselCards])),
    },
    ids.bytes('template', 12).toString('hex'),
  );
}

function headAndButtons({ header, buttons }: Pick<Static<typeof Card>, 'header' | 'buttons'>) {
  return {
    ...(header && {
      header: { type: header.type, typeString: header.type, text: header.text ?? null, link: header.url ?? null },
    }),
    ...(buttons && {
      buttons: buttons.map(({ type, text: label, url }) => ({ type, parameter: { text: label, url } })),
    }),
  };
}

const namesIn = (json: string): string[] => [
  ...new Set([...json.matchAll(/\{\{\s*([^{}\s"]+)\s*\}\}/g)].map((match) => match[1] ?? '')),
];

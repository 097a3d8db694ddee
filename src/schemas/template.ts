import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { pageOf, paging, strict, textByName } from './common.ts';

const Header = Type.Object(
  { type: Type.String(), text: Type.Optional(Type.String()), url: Type.Optional(Type.String()) },
  { title: 'TemplateHeader' },
);

const Buttons = Type.Array(
  Type.Object(
    { type: Type.String(), text: Type.Optional(Type.String()), url: Type.Optional(Type.String()) },
    { title: 'TemplateButton' },
  ),
);

const TemplateCard = Type.Object(
  { header: Type.Optional(Header), body: Type.String(), buttons: Type.Optional(Buttons) },
  { title: 'TemplateCard', description: 'of a carousel' },
);
export type TemplateCard = Static<typeof TemplateCard>;

const Cards = Type.Optional(Type.Array(TemplateCard));

const language = Type.String({ minLength: 1, maxLength: 64, description: 'its key, e.g. `en`', examples: ['en'] });

export const Template = Type.Object(
  {
    id: Type.String(),
    name: Type.String({ description: 'the name to send' }),
    status: Type.String({ description: 'lower case: approved, pending, rejected, draft, paused, disabled, deleted' }),
    category: Type.Optional(Type.String()),
    language: Type.Optional(Type.String({ description: 'its key, e.g. `en`' })),
    otherLanguages: Type.Optional(
      Type.Array(Type.String(), {
        description: 'languages that the name is there in as well; a message names no language, and WATI chooses',
      }),
    ),
    parameters: Type.Array(Type.String(), {
      description: 'the names to fill, of all its texts: those of the body first, in order',
    }),
    optionalParameters: Type.Optional(
      Type.Array(Type.String(), { description: 'listed by WATI, but found in no text: taken, not demanded' }),
    ),
    takesOtherParameters: Type.Optional(
      Type.Boolean({ description: 'it has a variable that WATI does not name: no name is refused as superfluous' }),
    ),
    header: Type.Optional(Header),
    body: Type.String({ description: 'with its parameters as `{{name}}`' }),
    footer: Type.Optional(Type.String()),
    buttons: Type.Optional(Buttons),
    cards: Cards,
  },
  { title: 'Template' },
);
export type Template = Static<typeof Template>;

export const TemplatePage = pageOf(Template, 'TemplatePage');

export const TemplateQuery = Type.Object(
  {
    ...paging,
    status: Type.Optional(Type.String({ minLength: 1, maxLength: 64, examples: ['approved'] })),
    language: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'part of the name, without case' })),
  },
  strict,
);

const nameRules = {
  minLength: 1,
  maxLength: 512,
  pattern: '^[^\\u0000-\\u001f]+$',
  'x-form': 'the name of a template, without control characters',
};

export const TemplateName = Type.String({ ...nameRules, examples: ['order_update'] });

/** For filters. Has no example, because the docs page would send it. */
export const TemplateFilter = Type.String(nameRules);

export const TemplateLanguage = Type.Object({ language: Type.Optional(language) }, strict);

export const TemplateParams = Type.Object({ name: TemplateName }, strict);

export const TemplateParameters = textByName({
  description: 'a value for each parameter of the template',
  examples: [{ customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' }],
});

export const TemplatePreview = Type.Object(
  { parameters: Type.Optional(TemplateParameters), language: Type.Optional(language) },
  {
    title: 'TemplatePreview',
    ...strict,
    examples: [{ parameters: { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' } }],
  },
);

export const RenderedTemplate = Type.Object(
  {
    template: Type.String(),
    language: Type.Optional(Type.String({ description: 'of the text that is shown' })),
    header: Type.Optional(Type.String({ description: 'of a header that is a text' })),
    media: Type.Optional(
      Type.Object(
        { type: Type.String({ description: 'image, video, document' }), url: Type.String() },
        { title: 'RenderedMedia', description: 'of a header that is a file' },
      ),
    ),
    body: Type.String({ description: 'the text that the customer would read' }),
    footer: Type.Optional(Type.String()),
    buttons: Type.Optional(Buttons),
    cards: Cards,
  },
  { title: 'RenderedTemplate' },
);
export type RenderedTemplate = Static<typeof RenderedTemplate>;

import { type Static, Type } from 'typebox';
import { pageOf, paging, strict, textByName } from './words.ts';

export const Template = Type.Object(
  {
    id: Type.String(),
    name: Type.String({ description: 'the name to send' }),
    status: Type.String({ description: 'lower case: approved, pending, rejected, draft, paused, disabled, deleted' }),
    category: Type.Optional(Type.String()),
    language: Type.Optional(Type.String({ description: 'its key, e.g. `en`' })),
    parameters: Type.Array(Type.String(), { description: 'the names to fill, in body order' }),
    header: Type.Optional(
      Type.Object(
        { type: Type.String(), text: Type.Optional(Type.String()), url: Type.Optional(Type.String()) },
        { title: 'TemplateHeader' },
      ),
    ),
    body: Type.String({ description: 'with its parameters as `{{name}}`' }),
    footer: Type.Optional(Type.String()),
    buttons: Type.Optional(
      Type.Array(
        Type.Object(
          { type: Type.String(), text: Type.Optional(Type.String()), url: Type.Optional(Type.String()) },
          { title: 'TemplateButton' },
        ),
      ),
    ),
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

export const TemplateName = Type.String({
  minLength: 1,
  maxLength: 512,
  pattern: '^[^\\u0000-\\u001f]+$',
  'x-form': 'the name of a template, without control characters',
  examples: ['order_update'],
});

export const TemplateParams = Type.Object({ name: TemplateName }, strict);

export const TemplateParameters = textByName({
  description: 'a value for each parameter of the template',
  examples: [{ customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' }],
});

export const TemplatePreview = Type.Object(
  { parameters: Type.Optional(TemplateParameters) },
  {
    title: 'TemplatePreview',
    ...strict,
    examples: [{ parameters: { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' } }],
  },
);

export const RenderedTemplate = Type.Object(
  {
    template: Type.String(),
    header: Type.Optional(Type.String()),
    body: Type.String({ description: 'the text that the customer would read' }),
    footer: Type.Optional(Type.String()),
  },
  { title: 'RenderedTemplate' },
);
export type RenderedTemplate = Static<typeof RenderedTemplate>;

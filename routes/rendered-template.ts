import type { RenderedTemplate, TemplateCard } from '../src/schemas/template.ts';
import { renderPart } from '../src/templates/template-text.ts';
import { fill, type TemplatePart, type WatiTemplate } from '../src/upstream/templates.ts';

/** Renders a template as the customer would read it. */
export function render(template: WatiTemplate, parameters: Readonly<Record<string, string>>): RenderedTemplate {
  const { header, ...rest } = partOf(renderPart(template, parameters));
  const { language, footer, cards } = template;
  return {
    template: template.elementName,
    ...(language !== undefined && { language }),
    ...(header?.text !== undefined && { header: header.text }),
    ...(header?.url !== undefined && { media: { type: header.type, url: header.url } }),
    ...rest,
    ...(footer !== undefined && { footer: fill(footer, parameters) }),
    ...(cards.length > 0 && { cards: cards.map((card) => partOf(renderPart(card, parameters))) }),
  };
}

/** A template with our field names, without absent fields. */
export function partOf({ header, bodyOriginal, buttons }: TemplatePart): TemplateCard {
  return {
    ...(header && {
      header: {
        type: header.type,
        ...(header.text !== undefined && { text: header.text }),
        ...(header.link !== undefined && { url: header.link }),
      },
    }),
    body: bodyOriginal,
    ...(buttons.length > 0 && {
      buttons: buttons.map(({ type, text, url }) => ({
        type,
        ...(text !== undefined && { text }),
        ...(url !== undefined && { url }),
      })),
    }),
  };
}

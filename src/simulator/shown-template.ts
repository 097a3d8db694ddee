import { nameOf, type Shown, type ShownButton, type ShownHeader } from './shown.ts';
import type { Template } from './state.ts';

type Values = ReadonlyMap<string, string>;
type Fields = Readonly<Record<string, unknown>>;

/** Fills the parts of a template around its body with the values of one recipient. */
export function shownTemplate(template: Template, values: Values): Shown {
  const { header, footer, buttons } = template;
  const cards = listOf(template.carouselCards).map((card) => {
    const above = shownHeader(objectOf(card.header), values);
    const text = filled(textOf(card, 'bodyOriginal') ?? textOf(card, 'body') ?? '', values);
    return { ...(above && { header: above }), text, buttons: shownButtons(listOf(card.buttons), values) };
  });
  const above = shownHeader(header ?? undefined, values);
  return {
    ...(above && { header: above }),
    ...(footer && { footer: filled(footer, values) }),
    ...(buttons.length > 0 && { buttons: shownButtons(buttons, values) }),
    ...(cards.length > 0 && { cards }),
  };
}

function shownHeader(header: Fields | undefined, values: Values): ShownHeader | undefined {
  if (!header) return undefined;
  const kind = (textOf(header, 'typeString') ?? textOf(header, 'headerTypeString') ?? 'text').toLowerCase();
  const own = mappedName(header, 'headerParamMapping');
  const words = textOf(header, 'text');
  if (kind === 'text') return words ? { text: filled(words, values, own) } : undefined;
  return { file: { kind, name: nameOf(filled(textOf(header, 'link') ?? kind, values, own)) } };
}

function shownButtons(buttons: readonly Fields[], values: Values): readonly ShownButton[] {
  return buttons.map((button) => {
    const parameter = objectOf(button.parameter) ?? {};
    const url = textOf(parameter, 'url');
    const kind = kindOf(textOf(button, 'type') ?? '');
    return {
      kind,
      text: filled(textOf(parameter, 'text') ?? textOf(button, 'text') ?? '', values),
      ...(kind === 'url' && url && { url: filled(url, values, mappedName(parameter, 'buttonParamMapping')) }),
    };
  });
}

function kindOf(type: string): ShownButton['kind'] {
  if (/^quick_?reply$/i.test(type)) return 'reply';
  if (/url/i.test(type)) return 'url';
  return /call|phone/i.test(type) ? 'call' : 'other';
}

/** `own`: the name that stands for a positional variable such as `{{1}}` of this part. */
function filled(text: string, values: Values, own?: string): string {
  return text.replace(
    /\{\{\s*([^{}\s]+)\s*\}\}/g,
    (whole, name: string) => values.get(/^\d+$/.test(name) ? (own ?? name) : name) ?? whole,
  );
}

const mappedName = (part: Fields, mapping: string) => textOf(objectOf(part[mapping]) ?? {}, 'paramName');

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const objectOf = (value: unknown) => (isObject(value) ? value : undefined);
const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.filter(isObject) : []);

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

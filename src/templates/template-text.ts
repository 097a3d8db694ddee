import type { FieldError } from '../problem.ts';
import { fill, type TemplatePart, type WatiTemplate } from '../upstream/templates.ts';

type Values = Readonly<Record<string, string>>;

/** A template, or a card of its carousel, as the customer sees it. */
export function renderPart({ header, bodyOriginal, buttons }: TemplatePart, values: Values): TemplatePart {
  const filled = (text: string | undefined) => (text === undefined ? undefined : fill(text, values));
  return {
    header: header && { type: header.type, text: filled(header.text), link: filled(header.link) },
    bodyOriginal: fill(bodyOriginal, values),
    buttons: buttons.map(({ type, text, url }) => ({ type, text: filled(text), url: filled(url) })),
  };
}

/** Limits of texts with the variables filled in. WATI accepts longer texts, and WhatsApp then refuses them. */
const lengthMax = { header: 60, body: 1_024, footer: 60, buttonText: 25, buttonUrl: 2_000 } as const;

/** The texts that these values make too long, in characters. A text without variables was checked when the template was approved. */
export function lengthFaults(template: WatiTemplate, values: Values): FieldError[] {
  const places: [string, string | undefined, number][] = [
    ...placesOf(template, 'the '),
    ['the footer', template.footer, lengthMax.footer],
    ...template.cards.flatMap((card, at) => placesOf(card, `card ${at + 1}: the `)),
  ];
  return places.flatMap(([place, text, max]) => {
    if (text === undefined || !text.includes('{{') || mustFit(text, values, max)) return [];
    // WATI fills in variables without a value, so they count as empty here.
    const length = [...fill(blankWhereUnknown(text, values), values)].length;
    if (length <= max) return [];
    return [{ pointer: '/parameters', detail: `${place} is ${length} characters long with these, at most ${max}` }];
  });
}

/** Whether no text of this length with as many variables can be too long, which is cheaper to tell than to fill them in. */
function mustFit(text: string, values: Values, max: number): boolean {
  let longest = 0;
  for (const name in values) longest = Math.max(longest, values[name]?.length ?? 0);
  let length = text.length;
  for (let at = text.indexOf('{{'); at >= 0 && length <= max; at = text.indexOf('{{', at + 2)) length += longest;
  return length <= max;
}

function placesOf({ header, bodyOriginal, buttons }: TemplatePart, of: string): [string, string | undefined, number][] {
  return [
    [`${of}header`, header?.text, lengthMax.header],
    [`${of}body`, bodyOriginal, lengthMax.body],
    ...buttons.flatMap(({ text, url }, at): [string, string | undefined, number][] => [
      [`${of}text of button ${at + 1}`, text, lengthMax.buttonText],
      [`${of}address of button ${at + 1}`, url, lengthMax.buttonUrl],
    ]),
  ];
}

const blankWhereUnknown = (text: string, values: Values): string =>
  text
    .split(/(?=\{\{)/)
    .map((piece) => {
      const end = piece.startsWith('{{') ? piece.indexOf('}}') : -1;
      return end < 0 || Object.hasOwn(values, piece.slice(2, end).trim()) ? piece : piece.slice(end + 2);
    })
    .join('');

import type { FieldError } from '../problem.ts';
import { fill, type TemplatePart, type WatiTemplate } from '../upstream/templates.ts';

type Values = Readonly<Record<string, string>>;

/** A template, or a card of its carousel, as the customer reads it. */
export function renderPart({ header, bodyOriginal, buttons }: TemplatePart, values: Values): TemplatePart {
  const filled = (text: string | undefined) => (text === undefined ? undefined : fill(text, values));
  return {
    header: header && { type: header.type, text: filled(header.text), link: filled(header.link) },
    bodyOriginal: fill(bodyOriginal, values),
    buttons: buttons.map(({ type, text, url }) => ({ type, text: filled(text), url: filled(url) })),
  };
}

/** Counted once the variables are filled in. WhatsApp refuses what is longer, after WATI has taken it. */
const lengthMax = { header: 60, body: 1_024, footer: 60, buttonText: 25, buttonUrl: 2_000 } as const;

/** What gets too long by these values, in characters. A text without variables was measured at its review. */
export function lengthFaults(template: WatiTemplate, values: Values): FieldError[] {
  const places: [string, string | undefined, number][] = [
    ...placesOf(template, 'the '),
    ['the footer', template.footer, lengthMax.footer],
    ...template.cards.flatMap((card, at) => placesOf(card, `card ${at + 1}: the `)),
  ];
  return places.flatMap(([place, text, max]) => {
    if (text === undefined || !text.includes('{{')) return [];
    // What no value fills is WATI's to fill: it counts as nothing here.
    const length = [...fill(blankWhereUnknown(text, values), values)].length;
    if (length <= max) return [];
    return [{ pointer: '/parameters', detail: `${place} is ${length} characters long with these, at most ${max}` }];
  });
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

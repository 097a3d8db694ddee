import { foreignPatterns } from '../lib/patterns.ts';
import { asString, fieldOf, isObject, type JsonObject, paramPairs, plain } from './tolerant-reader.ts';

/** The variables in all texts of a template. */
export interface TemplateVariables {
  /** Variables in texts, those of the body first, in order. Each needs a value. */
  names: string[];
  /** Variables that WATI lists for the template and no text contains. They are accepted and not required. */
  others: string[];
  /** Part of the template takes a value under a name that WATI does not report, so no further name can be called wrong. */
  open: boolean;
  /** The texts with variables by name, by path, e.g. `buttons.0.parameter.url`. */
  texts: ReadonlyMap<string, string>;
}

/** A variable that was found: by name, or by its position if nothing gives its name. */
type Met = { name: string } | { position: string; inBody: boolean };

/** The most UTF-16 units of a text. A body has at most 1,024 characters of one or two; the address of a button 2,000. */
const textMax = 2_048;
const depthMax = 8;
const objectsMax = 2_000;
/** The most texts of one object. */
const textsMax = 64;

export const cutText = (text: string | undefined): string | undefined => text?.slice(0, textMax).toWellFormed();

/**
 * Walks over everything in a template. Any text may contain variables; `…Original` beside it contains them by name, and
 * `…Mapping` beside it gives names to positions. Copies of the same text under other names are skipped.
 */
export function variablesOf(template: JsonObject): TemplateVariables {
  const walk = new Walk();
  const { first, rest } = bodyFirst(template);
  walk.visit(first, { path: '', inBody: true, depth: 0 });
  walk.visit(rest, { path: '', inBody: false, depth: 0 });
  const known = paramPairs(fieldOf(template, 'customParams')).filter((_, at) => at % 2 === 0);
  return walk.result(known);
}

/** The body with the fields that name its variables, and all other fields. */
function bodyFirst(template: JsonObject): { first: JsonObject; rest: JsonObject } {
  const text = (name: string) => asString(fieldOf(template, name));
  const body = text('body') ?? text('bodyOriginal') ?? text('hsm') ?? text('hsmOriginal');
  const originals = [text('bodyOriginal'), text('hsmOriginal')].filter(
    (each) => each !== undefined && positionsIn(each).length === positionsIn(body ?? '').length,
  );
  const original =
    originals.find((each) => each && positionsIn(each).some((name) => !isPosition(name))) ?? text('bodyOriginal');
  const entries = Object.entries(template).filter(([key]) => !copies.has(plain(key)));
  const mappings = entries.filter(([key]) => isMapping(key));
  const others = entries.filter(([key, value]) => !isMapping(key) && (body === undefined || !isComponents(key, value)));
  others.sort(([one], [other]) => place(one) - place(other));
  return {
    first: Object.fromEntries<unknown>([['body', body], ['bodyOriginal', original], ...mappings]),
    rest: Object.fromEntries<unknown>(others),
  };
}

const copies = new Set(['body', 'bodyoriginal', 'hsm', 'hsmoriginal', 'customparams']);
const isMapping = (key: string): boolean => plain(key).endsWith('mapping');
/** Whether a field contains the template in Meta's form, which repeats WATI's own. */
const isComponents = (key: string, value: unknown): boolean => plain(key) === 'components' && Array.isArray(value);
const order = ['header', 'footer', 'buttons', 'carouselcards'];
const place = (key: string): number => (order.includes(plain(key)) ? order.indexOf(plain(key)) : order.length);

/** The position of the walk in the template. */
interface NodeContext {
  path: string;
  inBody: boolean;
  depth: number;
}

const inside = ({ path, depth }: NodeContext, key: string): NodeContext => ({
  path: join(path, key),
  inBody: false,
  depth: depth + 1,
});

interface Mapping {
  /** Names by position. */
  mapping: ReadonlyMap<string, string>;
  /** Positions in the mapping that a text has used. */
  used: Set<string>;
}

class Walk {
  readonly #met: Met[] = [];
  readonly #named = new Set<string>();
  readonly #aliases: string[] = [];
  readonly #texts = new Map<string, string>();
  #objects = 0;
  #hidden = false;

  visit(node: unknown, context: NodeContext): void {
    if (context.depth > depthMax) return;
    if (Array.isArray(node)) {
      for (const [index, each] of node.entries()) this.visit(each, inside(context, String(index)));
    } else if (isObject(node) && this.#objects++ < objectsMax) this.#visitObject(node, context);
  }

  #visitObject(node: JsonObject, context: NodeContext): void {
    const metBefore = this.#met.length;
    const mapping = new Map<string, string>();
    for (const [key, value] of Object.entries(node))
      if (isMapping(key)) readMapping(value, { index: '', depth: 0 }, mapping);
    if (mapping.has('0')) countFromOne(mapping);
    const used = new Set<string>();
    for (const pair of textsOf(node)) {
      const named = this.#name(pair, { mapping, used }, context.inBody);
      if (named !== undefined) this.#texts.set(join(context.path, pair.key), named);
    }
    for (const [at, name] of mapping) if (!used.has(at)) this.#meet(name);
    for (const [key, value] of Object.entries(node)) {
      if (isMapping(key) || isSample(key)) continue;
      this.visit(value, inside(context, key));
    }
    if (this.#met.length === metBefore && takesHidden(node)) this.#hidden = true;
  }

  /** The text with its variables by name; undefined if it has none. */
  #name({ text, original }: Pair, { mapping, used }: Mapping, inBody: boolean) {
    const positions = positionsIn(text);
    const names = positionsIn(original);
    const [source, variables] = names.length > 0 ? [original, names] : [text, positions];
    if (variables.length === 0) return undefined;
    const beside = names.length === positions.length ? positions : [];
    const different = [...new Set(variables)];
    // The mapping may be numbered through the whole template. If it has as many positions as this text and none of the same number,
    // they correspond in order.
    const isOrdered = different.length === mapping.size && !different.some((each) => mapping.has(each));
    const ordered = isOrdered ? [...mapping.keys()].sort((one, other) => Number(one) - Number(other)) : [];
    const found = variables.map((variable, at) => {
      const index = [...[variable, beside[at] ?? '', String(at + 1)], ordered[different.indexOf(variable)] ?? ''].find(
        (each) => mapping.has(each),
      );
      const mapped = index === undefined ? undefined : mapping.get(index);
      if (index !== undefined) used.add(index);
      const name = [variable, beside[at] ?? ''].find((each) => each !== '' && !isPosition(each)) ?? mapped;
      if (name === undefined) this.#met.push({ position: variable, inBody });
      else this.#meet(name);
      if (mapped !== undefined && mapped !== name) this.#aliases.push(mapped);
      return name ?? variable;
    });
    return renamed(source, found);
  }

  #meet(name: string): void {
    this.#met.push({ name });
    this.#named.add(name);
  }

  /** `known`: the names in `customParams`, which are in no order and include names that no text uses. */
  result(known: readonly string[]): TemplateVariables {
    const spare = known.filter((name) => !this.#named.has(name) && !isPosition(name));
    const inBody = new Set(this.#met.flatMap((each) => ('position' in each && each.inBody ? [each.position] : [])));
    let open = this.#hidden;
    const names = new Set<string>();
    for (const each of this.#met) {
      if ('name' in each) names.add(each.name);
      // As many positions as names without a position: WATI may expect either.
      else if (each.inBody ? known.includes(each.position) || inBody.size !== spare.length : isKnown(each.position)) {
        names.add(each.position);
      } else open = true;
    }
    function isKnown(position: string): boolean {
      return known.includes(position) && spare.length === 0;
    }
    const others = [...known, ...this.#aliases].filter((name) => !names.has(name));
    return { names: [...names], others: [...new Set(others)], open, texts: this.#texts };
  }
}

interface Pair {
  key: string;
  text: string;
  original: string;
}

/** The texts of an object, each with its original. An original without a text of its name belongs to the text with as many variables. */
function textsOf(node: JsonObject): Pair[] {
  const strings = Object.entries(node).flatMap(([key, value]): Pair[] =>
    typeof value === 'string' && !isSample(key) ? [{ key, text: cutText(value) ?? '', original: '' }] : [],
  );
  const texts = strings.slice(0, textsMax);
  const isOriginal = ({ key }: Pair) => plain(key).endsWith('original');
  const pairs = texts.filter((each) => !isOriginal(each));
  for (const each of texts.filter(isOriginal)) {
    const count = positionsIn(each.text).length;
    const own = pairs.find(({ key }) => `${plain(key)}original` === plain(each.key));
    const like = pairs.find(({ text, original }) => count > 0 && original === '' && positionsIn(text).length === count);
    const base = own ?? like;
    if (base) base.original = each.text;
    else pairs.push({ ...each, original: each.text });
  }
  return pairs;
}

/** Reads `{index, paramName}`, a list of those, or an object of names by position. Ignores anything else. */
function readMapping(
  value: unknown,
  { index, depth }: { index: string; depth: number },
  found: Map<string, string>,
): void {
  if (depth > 3 || found.size > 100) return;
  if (Array.isArray(value)) {
    for (const [at, each] of value.entries()) readMapping(each, { index: String(at + 1), depth: depth + 1 }, found);
  } else if (isObject(value)) {
    const name = asString(fieldOf(value, 'paramName')) ?? asString(fieldOf(value, 'name'));
    if (name !== undefined) found.set(asString(fieldOf(value, 'index')) ?? index, name.trim());
    else for (const [key, each] of Object.entries(value)) readMapping(each, { index: key, depth: depth + 1 }, found);
  } else if (typeof value === 'string' && value.trim() !== '' && (index === '' || isPosition(index))) {
    found.set(index, value.trim());
  }
}

function countFromOne(mapping: Map<string, string>): void {
  const entries = [...mapping];
  mapping.clear();
  for (const [index, name] of entries) mapping.set(isPosition(index) ? String(Number(index) + 1) : index, name);
}

/**
 * Whether a part takes a value although no text shows a variable: WhatsApp takes a coupon code, the end of an offer or of an
 * address with each send.
 */
function takesHidden(node: JsonObject): boolean {
  const type = plain(asString(node.type) ?? '');
  if (plain(asString(fieldOf(node, 'urlType')) ?? '') === 'dynamic') return true;
  return /copycode|copyoffer|coupon/.test(type) || isObject(fieldOf(node, 'limitedTimeOffer'));
}

const isSample = (key: string): boolean => /^(example|sample|customparams|paramvalue)/.test(plain(key));
const isPosition = (name: string): boolean => /^\d{1,9}$/.test(name);
const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/** The contents of the braces in a text, in order. */
const positionsIn = (text: string): string[] =>
  [...text.matchAll(foreignPatterns.variable.pattern)].map((match) => match[1]?.trim() ?? '').filter(Boolean);

function renamed(text: string, names: readonly string[]): string {
  let at = 0;
  return text.replace(foreignPatterns.variable.pattern, (whole, braced: string) =>
    braced.trim() === '' ? whole : `{{${names[at++] ?? braced.trim()}}}`,
  );
}

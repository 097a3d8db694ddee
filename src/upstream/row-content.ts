import { asText, firstOf } from './answers/fields.ts';
import { asString, isObject, type JsonObject, parseJson } from './tolerant-reader.ts';

/** Content of a message other than text and file. */
export interface RowContent {
  button?: { text: string; id?: string; description?: string; payload?: string };
  location?: { latitude: number; longitude: number; name?: string; address?: string; url?: string };
  contacts?: { name?: string; phones: string[]; emails?: string[]; organization?: string }[];
  order?: { catalogId?: string; text?: string; items: OrderItem[] };
  reaction?: { emoji?: string; messageId?: string };
}

interface OrderItem {
  productId: string;
  quantity?: number;
  price?: number;
  currency?: string;
}

const textMax = 4_096;
const entriesMax = 100;
const jsonMax = 65_536;

/**
 * The tap, place, contacts, order or reaction of a row. WATI has them as fields of their own, inside `data` or `interactive`,
 * as objects or as JSON in a text, in WhatsApp's spelling or its own. Parts that cannot be read are left out.
 */
export function contentOfRow(row: JsonObject): RowContent {
  const places = [row, row.data, row.interactive, row.message].map(objectIn).filter(isObject);
  const find = (...names: string[]): unknown => {
    for (const place of places) {
      const value = firstOf(place, ...names);
      if (value !== undefined && value !== '') return value;
    }
    return undefined;
  };
  const type = asString(row.type)?.toLowerCase() ?? '';
  const button = buttonIn(find(...replies));
  const location = locationIn(find('location') ?? (type === 'location' ? row.data : undefined));
  const cards = find(
    'contacts',
    ...(/^contacts?$|vcard/.test(type) ? ['messageContact', 'messageContacts', 'vcard', 'data'] : []),
  );
  const contacts = contactsIn(cards);
  const order = orderIn(find('order') ?? (type === 'order' ? row.data : undefined));
  const reaction = reactionIn(find('reaction'), type === 'reaction' ? row : {});
  return {
    ...(button && { button }),
    ...(location && { location }),
    ...(contacts.length > 0 && { contacts }),
    ...(order && { order }),
    ...(reaction && { reaction }),
  };
}

const replies = [
  ...['interactiveButtonReply', 'buttonReply', 'button_reply', 'quickReply', 'listReply', 'interactiveListReply'],
  ...['list_reply', 'nfmReply', 'nfm_reply'],
];

/** The value if it is an object, or the object that it contains as JSON. */
function objectIn(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const text = value.trim();
  return /^[{[]/.test(text) && text.length <= jsonMax ? parseJson(text) : undefined;
}

const firstText = (object: JsonObject, ...names: string[]): string | undefined =>
  names.map((name) => asText(firstOf(object, name))?.slice(0, textMax)).find((text) => text !== undefined);

/** The property with its value; empty if the value is undefined. */
const named = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value };

function buttonIn(value: unknown): RowContent['button'] {
  const object = objectIn(value);
  if (!isObject(object)) {
    const text = asText(value)?.slice(0, textMax);
    return text === undefined ? undefined : { text };
  }
  const id = firstText(object, 'id', 'postbackText');
  const payload = firstText(object, 'payload', 'response_json', 'responseJson');
  const text = firstText(object, 'title', 'text', 'displayText', 'body', 'name') ?? id ?? payload;
  if (text === undefined) return undefined;
  return {
    text,
    ...named('id', id),
    ...named('description', firstText(object, 'description')),
    ...named('payload', payload),
  };
}

function numberIn(object: JsonObject, ...names: string[]): number | undefined {
  const value = firstOf(object, ...names);
  const number = typeof value === 'string' && /^\s*[+-]?\d{1,15}(\.\d{1,20})?\s*$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function locationIn(value: unknown): RowContent['location'] {
  const pair = typeof value === 'string' ? /^\s*(-?[\d.]{1,24})\s*,\s*(-?[\d.]{1,24})\s*$/.exec(value) : null;
  const object = pair ? { latitude: pair[1], longitude: pair[2] } : objectIn(value);
  if (!isObject(object)) return undefined;
  const latitude = numberIn(object, 'latitude', 'lat', 'degreesLatitude');
  const longitude = numberIn(object, 'longitude', 'lng', 'long', 'lon', 'degreesLongitude');
  if (latitude === undefined || longitude === undefined) return undefined;
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
  return {
    latitude,
    longitude,
    ...named('name', firstText(object, 'name')),
    ...named('address', firstText(object, 'address')),
    ...named('url', firstText(object, 'url')),
  };
}

function contactsIn(value: unknown): NonNullable<RowContent['contacts']> {
  if (typeof value === 'string' && /^\s*BEGIN:VCARD/i.test(value))
    return [cardIn(value)].filter((card) => card !== undefined);
  const found = [objectIn(value)].flat().slice(0, entriesMax);
  return found.filter(isObject).flatMap((entry) => contactIn(entry) ?? []);
}

function contactIn(entry: JsonObject) {
  const card = firstOf(entry, 'vcard');
  if (typeof card === 'string') return cardIn(card);
  const whole = firstOf(entry, 'name');
  const parts = isObject(whole) ? whole : entry;
  const joined = [firstText(parts, 'first_name', 'firstName'), firstText(parts, 'last_name', 'lastName')]
    .filter((part) => part !== undefined)
    .join(' ');
  const name =
    asText(whole)?.slice(0, textMax) ??
    firstText(parts, 'formatted_name', 'formattedName', 'fullName', 'displayName') ??
    (joined === '' ? undefined : joined);
  const phones = textsIn(
    firstOf(entry, 'phones', 'phone', 'phoneNumber', 'waId', 'wa_id'),
    'phone',
    'number',
    'wa_id',
    'waId',
  );
  const emails = textsIn(firstOf(entry, 'emails', 'email'), 'email');
  const organization = firstOf(entry, 'org', 'organization', 'company');
  const company = isObject(organization)
    ? firstText(organization, 'company', 'name')
    : asText(organization)?.slice(0, textMax);
  if (name === undefined && phones.length === 0) return undefined;
  return { ...named('name', name), phones, ...(emails.length > 0 && { emails }), ...named('organization', company) };
}

/** Texts, as one or a list, directly or under one of these names. */
const textsIn = (value: unknown, ...names: string[]): string[] =>
  [value]
    .flat()
    .slice(0, entriesMax)
    .map((each) => (isObject(each) ? firstText(each, ...names) : asText(each)?.slice(0, textMax)))
    .filter((text) => text !== undefined);

/** The name and the numbers of a vCard. */
function cardIn(card: string) {
  const lines = card.slice(0, jsonMax).split(/\r?\n/, 500);
  const valuesOf = (property: string) =>
    lines
      .filter((line) => [':', ';'].includes(line[property.length] ?? '') && line.toUpperCase().startsWith(property))
      .map((line) =>
        line
          .slice(line.indexOf(':') + 1)
          .trim()
          .slice(0, textMax),
      )
      .filter((text) => text !== '');
  const [name] = valuesOf('FN');
  const phones = valuesOf('TEL').slice(0, entriesMax);
  return name === undefined && phones.length === 0 ? undefined : { ...named('name', name), phones };
}

function orderIn(value: unknown): RowContent['order'] {
  const object = objectIn(value);
  if (!isObject(object)) return undefined;
  const listed = objectIn(firstOf(object, 'product_items', 'productItems', 'items', 'products'));
  if (!Array.isArray(listed)) return undefined;
  const items = listed
    .slice(0, entriesMax)
    .filter(isObject)
    .flatMap((item) => itemIn(item) ?? []);
  return {
    ...named('catalogId', firstText(object, 'catalog_id', 'catalogId')),
    ...named('text', firstText(object, 'text')),
    items,
  };
}

function itemIn(item: JsonObject): OrderItem | undefined {
  const productId = firstText(item, 'product_retailer_id', 'productRetailerId', 'productId', 'sku', 'id');
  if (productId === undefined) return undefined;
  return {
    productId,
    ...named('quantity', numberIn(item, 'quantity')),
    ...named('price', numberIn(item, 'item_price', 'itemPrice', 'price')),
    ...named('currency', firstText(item, 'currency')),
  };
}

/** Without an emoji, the customer removed an earlier reaction. */
function reactionIn(value: unknown, row: JsonObject): RowContent['reaction'] {
  const object = objectIn(value);
  const inside = isObject(object) ? object : {};
  const emoji =
    firstText(inside, 'emoji', 'text') ?? (isObject(object) ? undefined : (asText(value) ?? firstText(row, 'text')));
  const messageId = firstText(inside, 'message_id', 'messageId', 'msgId') ?? firstText(row, 'replyContextId');
  if (emoji === undefined && messageId === undefined) return undefined;
  return { ...named('emoji', emoji?.slice(0, 64)), ...named('messageId', messageId) };
}

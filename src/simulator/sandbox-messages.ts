import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { findContact } from './contacts.ts';
import { addRow, inboundRow } from './messages.ts';
import type { SandboxRoute, Steering } from './sandbox-route.ts';
import { exact } from './schemas/common.ts';
import { shownTemplate } from './shown-template.ts';
import type { Choices, Contact, HistoryRow, Tenant } from './state.ts';
import { tapOf } from './tracking.ts';

/** Files that the tenant has, so that incoming files can be read. */
const files = {
  image: 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png',
  document: 'data/documents/5f0c6a3e-0002-4000-8000-000000000002.txt',
  video: 'data/videos/5f0c6a3e-0003-4000-8000-000000000003.mp4',
} as const;

const Incoming = exact({
  from: Type.Optional(Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' })),
  bsuid: Type.Optional(Type.String({ pattern: '^[A-Z]{2}\\.(ENT\\.)?[A-Za-z0-9]{1,128}$' })),
  text: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  replyTo: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  button: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  media: Type.Optional(Type.Enum(['image', 'document', 'video'])),
});
type Incoming = Static<typeof Incoming>;
const incoming = Compile(Incoming);

const form =
  'The body is {"from": "<phone number>", "text": "<1 to 4096 characters>"}; in the place of "from" a "bsuid" that WATI knows, ' +
  'and if you like "name", "bsuid", "replyTo", and "button" or "media" (image, document, video)';

export const messageRoute: SandboxRoute = {
  route: 'POST /_sandbox/messages',
  does: 'a customer writes: the message appears in the history, opens the 24-hour window, and its webhook is posted',
  body: {
    from: '14155550122',
    text: 'Hi',
    name: 'optional, of a customer who never wrote',
    bsuid: 'optional; without from, of a customer whom WATI knows, whose number stays hidden',
    replyTo:
      'optional: the message that is quoted, by our id of it, by whatsappMessageId or by its id in GET /_sandbox/phones/{number}',
    button: 'optional: the label that is tapped',
    media: 'optional: image, document or video',
  },
  run: ({ json }, steering) => {
    if (!incoming.Check(json)) return form;
    const { from, bsuid, text, button, media } = json;
    if (from === undefined && bsuid === undefined) return form;
    if (text === undefined && button === undefined && media === undefined) return form;
    if (button !== undefined && media !== undefined) return form;
    return received(json, steering);
  },
};

const Click = exact({
  from: Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' }),
  message: Type.String({ minLength: 1, maxLength: 256 }),
  button: Type.String({ minLength: 1, maxLength: 256 }),
});
const clicks = Compile(Click);

export const clickRoute: SandboxRoute = {
  route: 'POST /_sandbox/clicks',
  does: 'a customer opens the link of a button of a template: the webhook of it is posted',
  body: {
    from: '14155550113',
    message: 'our id of the message, its whatsappMessageId, or its id in GET /_sandbox/phones/{number}',
    button: 'the label of the button',
  },
  run: ({ json }, { tenant, clock, tracking, agenda }) => {
    if (!clicks.Check(json)) return 'The body is {"from": "<phone number>", "message": "<id>", "button": "<label>"}';
    agenda.catchUp();
    const row = quotedRow(tenant, json.message, findContact(tenant, json.from.replace('+', '')));
    const message = row && tracking.messageOf(row);
    const shown = message?.template && shownTemplate(message.template, message.values ?? new Map());
    const buttons = [shown, ...(shown?.cards ?? [])].flatMap((part) => part?.buttons ?? []);
    const tapped = buttons.find(({ text, url }) => text === json.button && url !== undefined);
    if (!message || tapped?.url === undefined) return `There is no button ${json.button} with a link in that message`;
    const click = { text: tapped.text, url: tapped.url, at: clock.now() };
    tracking.clicked(message, click);
    return { text: click.text, url: click.url, at: new Date(click.at).toISOString() };
  },
};

function received(given: Incoming, { tenant, clock, tracking, agenda }: Steering) {
  agenda.catchUp();
  const { from, bsuid, replyTo } = given;
  const phone = from?.replace('+', '');
  const known = findContact(tenant, phone ?? bsuid ?? '');
  if (!known && phone === undefined) return `WATI knows no customer ${bsuid}: tell it "from" as well, once`;
  const quoted = replyTo === undefined ? undefined : quotedRow(tenant, replyTo, known);
  if (replyTo !== undefined && !quoted) return `There is no message ${replyTo} in the history of that customer`;
  const contact = known ?? tenant.addContact(phone ?? '', { name: given.name ?? phone ?? '' });
  if (bsuid !== undefined) contact.bsuid = bsuid;
  const row = addRow(tenant, contact, {
    ...inboundRow(tenant.ids, contact, { text: '', at: clock.now() }),
    ...contentOf(given, quoted && tracking.messageOf(quoted)?.choices),
    replyContextId: quoted?.whatsappMessageId ?? null,
  });
  tracking.received({ row, contact, first: !known, hidden: phone === undefined });
  if (quoted) tracking.quoted(quoted, clock.now());
  const { id, text, created: at, whatsappMessageId } = row;
  return { id, ...(phone === undefined ? { bsuid } : { from: phone }), text, at, whatsappMessageId };
}

/** Taps and shown objects have fields of their own; a file's text is its caption, a document's its name. */
function contentOf({ text, button, media }: Incoming, choices: Choices | undefined) {
  if (button !== undefined) return { text: text ?? button, ...tapOf(button, choices?.field ?? 'buttonReply') };
  if (media === undefined) return { text: text ?? null };
  return { type: media, data: files[media], text: media === 'document' ? 'Terms and conditions.txt' : (text ?? null) };
}

function quotedRow(tenant: Tenant, id: string, contact: Contact | undefined): HistoryRow | undefined {
  const rows = tenant.history.get(contact?.phone ?? '') ?? [];
  return rows.findLast((row) => row.localMessageId === id || row.whatsappMessageId === id || row.id === id);
}

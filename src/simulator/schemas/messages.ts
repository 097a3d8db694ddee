import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { answered, exact, Phone, type Rule, repeated, Target, text } from './common.ts';

const channelPhoneNumber = Type.Optional(Phone);
const toTarget = exact({ target: Target });
const toWhom = exact({ whatsappNumber: Target, channelPhoneNumber });

export const sendSessionMessageRule: Rule = {
  params: toTarget,
  query: exact({
    messageText: text(4096),
    localMessageId: Type.Optional(text(128)),
    replyContextId: Type.Optional(text(256)),
    channelPhoneNumber,
  }),
};

export const sendSessionFileRule: Rule = {
  params: toTarget,
  query: exact({ caption: Type.Optional(text(1024)), channelPhoneNumber }),
};

export const sendSessionFileViaUrlRule: Rule = {
  params: toTarget,
  query: exact({
    fileUrl: Type.String({ pattern: '^https?://[^\\s]+$', maxLength: 8192 }),
    caption: Type.Optional(text(1024)),
    channelPhoneNumber,
  }),
};

const Media = exact({ url: Type.String({ pattern: '^https?://' }), fileName: Type.Optional(text(240)) });
const Header = exact({
  // Capitalised in the schema, lower case in the first skill page: both are accepted.
  type: Type.Enum(['Text', 'Image', 'Video', 'Document', 'text', 'image', 'video', 'document']),
  text: Type.Optional(text(60)),
  media: Type.Optional(Media),
});
const Buttons = exact({
  header: Type.Optional(Header),
  body: text(1024),
  footer: Type.Optional(text(60)),
  buttons: Type.Array(exact({ text: text(20) }), { minItems: 1, maxItems: 3 }),
});
export const ButtonsBody = Compile(Buttons);

const Row = exact({ title: text(24), description: Type.Optional(text(72)) });
const List = exact({
  header: Type.Optional(text(60)),
  body: text(1024),
  footer: Type.Optional(text(60)),
  buttonText: text(20),
  sections: Type.Array(
    exact({ title: Type.Optional(text(24)), rows: Type.Array(Row, { minItems: 1, maxItems: 10 }) }),
    {
      minItems: 1,
      maxItems: 10,
    },
  ),
});
export const ListBody = Compile(List);

export const sendInteractiveButtonsMessageRule: Rule = {
  query: toWhom,
  body: Buttons,
  further: ({ json }) => (ButtonsBody.Check(json) ? [...headerFaults(json), ...labelFaults(json)] : []),
};

export const sendInteractiveListMessageRule: Rule = {
  query: toWhom,
  body: List,
  further({ json }) {
    if (!ListBody.Check(json)) return [];
    const rows = json.sections.flatMap((section) => section.rows);
    return [
      ...repeated(rows.map((row) => row.title)).map((title) => answered(`body has the row "${title}" twice`)),
      ...(rows.length > 10 ? [answered(`body has ${rows.length} rows over all sections, more than 10`)] : []),
      // Titles are required if there is more than one section.
      ...(json.sections.length > 1 && json.sections.some((section) => !section.title)
        ? [answered('body has several sections, one without a title')]
        : []),
    ];
  },
};

/** Replies contain only the label, so it must be unique in its message. */
function labelFaults(body: Static<typeof Buttons>) {
  return repeated(body.buttons.map((button) => button.text)).map((label) =>
    answered(`body has the button "${label}" twice`),
  );
}

function headerFaults({ header }: Static<typeof Buttons>) {
  if (!header) return [];
  const kind = header.type.toLowerCase();
  if (kind === 'text') return header.text === undefined ? [answered('body header of type text has no text')] : [];
  if (header.media === undefined) return [answered(`body header of type ${kind} has no media`)];
  const named = header.media.fileName !== undefined && kind !== 'document';
  return named ? [answered(`body header of type ${kind} has a fileName, which only a document takes`)] : [];
}

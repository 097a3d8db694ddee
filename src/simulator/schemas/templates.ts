import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import {
  answered,
  exact,
  type Finding,
  faultOfValue,
  NameValue,
  noted,
  Phone,
  paging,
  type Rule,
  repeated,
  Target,
  text,
} from './common.ts';

const names = { template_name: text(512), broadcast_name: text(512), channel_number: Type.Optional(Phone) };

const Single = exact({ ...names, target: Type.Optional(Target), parameters: Type.Array(NameValue) });
export const SingleBody = Compile(Single);

const receiver = { whatsappNumber: Phone, customParams: Type.Array(NameValue) };
const BulkV1 = exact({ ...names, receivers: Type.Array(exact(receiver), { minItems: 1, maxItems: 10_000 }) });
const BulkV2 = exact({
  ...names,
  receivers: Type.Array(exact({ ...receiver, localMessageId: Type.Optional(text(128)) }), {
    minItems: 1,
    maxItems: 10_000,
  }),
});
/** v2 has everything that v1 has, and our own id in each receiver. */
export const BulkBody = Compile(BulkV2);

export const getMessageTemplatesRule: Rule = { query: exact({ ...paging, channelPhoneNumber: Type.Optional(Phone) }) };

/** v1 names the recipient in the query, or as `target` in the body, where it may also be an id. */
export const sendTemplateMessageV1Rule: Rule = {
  query: exact({ whatsappNumber: Type.Optional(Phone) }),
  body: Single,
  further: ({ json, query }) => {
    if (!SingleBody.Check(json)) return [];
    const named = [json.target, query.whatsappNumber].filter((each) => each !== undefined).length;
    const recipient = named === 1 ? [] : [answered('names no recipient, or two, in whatsappNumber and target')];
    return [...recipient, ...valueFindings('parameters', json.parameters)];
  },
};
export const sendTemplateMessageV2Rule: Rule = {
  query: exact({ whatsappNumber: Phone }),
  body: Single,
  further: ({ json }) => (SingleBody.Check(json) ? valueFindings('parameters', json.parameters) : []),
};

export const sendTemplateMessagesV1Rule: Rule = { query: exact({}), body: BulkV1, further: bulkFindings };
export const sendTemplateMessagesV2Rule: Rule = { query: exact({}), body: BulkV2, further: bulkFindings };

export const sendTemplateMessageCsvRule: Rule = {
  query: exact({ template_name: text(512), broadcast_name: text(512), channelNumber: Type.Optional(Phone) }),
};

function bulkFindings({ json }: { readonly json: unknown }): readonly Finding[] {
  if (!BulkBody.Check(json)) return [];
  const phones = new Set<string>();
  const ids = new Set<string>();
  const findings: Finding[] = [];
  for (const [index, each] of json.receivers.entries()) {
    findings.push(...valueFindings(`receivers/${index}/customParams`, each.customParams));
    if (phones.has(each.whatsappNumber)) findings.push(noted(`body has the receiver ${each.whatsappNumber} twice`));
    phones.add(each.whatsappNumber);
    if (each.localMessageId === undefined) continue;
    if (ids.has(each.localMessageId)) findings.push(noted(`body has the localMessageId ${each.localMessageId} twice`));
    ids.add(each.localMessageId);
  }
  return findings;
}

/** WATI refuses these in words and not with a 400. Our client must not send them at all. */
function valueFindings(where: string, values: readonly Static<typeof NameValue>[]): readonly Finding[] {
  const bad = values.flatMap(({ name, value }) => {
    const fault = name.trim() === '' ? 'has a blank name' : faultOfValue(value);
    return fault === undefined ? [] : [noted(`body ${where} ${JSON.stringify(name)} ${fault}`)];
  });
  const twice = repeated(values.map(({ name }) => name)).map((name) => answered(`body ${where} has ${name} twice`));
  return [...bad, ...twice];
}

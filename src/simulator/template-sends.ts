import { type Answer, badRequest, type Call, noContact, ok, one, refusal } from './call.ts';
import { contactToWire, findContact } from './contacts.ts';
import { readCsv } from './csv.ts';
import { simulatedOutcome } from './magic.ts';
import { addRow, newWamid, rowBase } from './messages.ts';
import { faultOfValue } from './schemas/common.ts';
import { BulkBody, SingleBody } from './schemas/templates.ts';
import type { Template, Tenant } from './state.ts';
import { parameterNames, quickReplies, renderTemplate } from './templates.ts';

interface Receiver {
  readonly phone: string;
  readonly values: readonly { readonly name: string; readonly value: string }[];
  readonly localMessageId?: string;
}

interface Receipt {
  readonly phone: string;
  readonly localMessageId: string;
  readonly valid: boolean;
  readonly error?: string;
}

/** The one sentence for all faults of parameters. */
const badParameters = 'Check your template, it cannot have typos or blank text';

export function sendTemplateMessageV1(call: Call, tenant: Tenant): Answer {
  if (!SingleBody.Check(call.json)) return badRequest(['body']);
  const { template_name, parameters, target } = call.json;
  const phone =
    target === undefined ? one(call.query, 'whatsappNumber') : (findContact(tenant, target)?.phone ?? phoneIn(target));
  if (phone === undefined) return noContact();
  const sent = send(call, tenant, { templateName: template_name, receivers: [{ phone, values: parameters }] });
  if (typeof sent === 'string') return refused(tenant, sent, { info: sent });
  const [receipt] = sent;
  if (!receipt) return badRequest(['receivers']);
  if (receipt.error !== undefined) return refusal({ info: receipt.error });
  if (tenant.settings.bareResults) return ok({ result: true });
  const contact = findContact(tenant, receipt.phone);
  const body = {
    result: true,
    phone_number: receipt.phone,
    template_name,
    // Misspelt by WATI.
    parameteres: parameters,
    contact: contact ? contactToWire(contact) : null,
    // Contact ids, although they look like message ids.
    model: { ids: contact ? [contact.id] : [] },
    validWhatsAppNumber: receipt.valid,
  };
  return { status: 200, body, acted: receipt.valid };
}

export function sendTemplateMessageV2(call: Call, tenant: Tenant): Answer {
  if (!SingleBody.Check(call.json)) return badRequest(['body']);
  const { template_name, parameters } = call.json;
  const sent = send(call, tenant, { templateName: template_name, receivers: [receiverOf(call, parameters)] });
  if (typeof sent === 'string') return refusedV2(tenant, sent, template_name);
  const failed = sent.find((receipt) => receipt.error !== undefined);
  if (failed?.error !== undefined) return refusedV2(tenant, failed.error, template_name);
  return acceptedV2(tenant, sent, { templateName: template_name, parameters });
}

export function sendTemplateMessagesV1(call: Call, tenant: Tenant): Answer {
  if (!BulkBody.Check(call.json)) return badRequest(['body']);
  const sent = send(call, tenant, {
    templateName: call.json.template_name,
    receivers: call.json.receivers.map(toReceiver),
  });
  if (typeof sent === 'string') return refused(tenant, sent, { info: sent });
  const errors = sent.flatMap(({ phone, valid, error }) =>
    valid && error === undefined ? [] : [{ whatsappNumber: phone, error: error ?? 'Invalid WhatsApp number' }],
  );
  const acted = errors.length < sent.length;
  return { status: 200, body: { result: true, ...(errors.length > 0 ? { errors } : {}) }, acted };
}

export function sendTemplateMessagesV2(call: Call, tenant: Tenant): Answer {
  if (!BulkBody.Check(call.json)) return badRequest(['body']);
  const { template_name, channel_number, receivers } = call.json;
  if (tenant.settings.channelNumberRequired && channel_number === undefined) {
    return refusedV2(tenant, 'channel_number can not be empty', template_name);
  }
  const sent = send(call, tenant, { templateName: template_name, receivers: receivers.map(toReceiver) });
  if (typeof sent === 'string') return refusedV2(tenant, sent, template_name);
  return acceptedV2(tenant, sent, { templateName: template_name });
}

/** The answer is not documented; it is assumed to be like those of similar calls. It does not show the results of single rows. */
export function sendTemplateMessageCSV(call: Call, tenant: Tenant): Answer {
  const part = call.parts[0];
  if (call.parts.length !== 1 || part?.name !== 'whatsapp_numbers_csv')
    return refusal({ info: 'file can not be null' });
  if (!call.kept) return refusal({ info: 'file is too large' });
  const rows = readCsv(call.kept.toString('utf8'));
  if (rows.length === 0) return refusal({ info: 'file has no receivers' });
  const sent = send(call, tenant, { templateName: one(call.query, 'template_name') ?? '', receivers: rows });
  return typeof sent === 'string' ? refused(tenant, sent, { info: sent }) : ok({ result: true });
}

/** Faults of the template and its values refuse the whole call; faults of a receiver refuse that receiver. */
function send(
  call: Call,
  tenant: Tenant,
  { templateName, receivers }: { templateName: string; receivers: readonly Receiver[] },
): readonly Receipt[] | string {
  const named = tenant.templates.filter((each) => each.elementName === templateName);
  const [template] = named.toSorted((one, other) => Number(isApproved(other)) - Number(isApproved(one)));
  if (!template) return `Template ${templateName} not found`;
  if (!isApproved(template)) return `Template ${templateName} is not approved`;
  const names = parameterNames(template);
  const prepared = receivers.map((receiver) => {
    const values = new Map(receiver.values.map(({ name, value }) => [name, value]));
    const good = names.every((name) => faultOfValue(values.get(name) ?? '') === undefined);
    return { receiver, values, good };
  });
  // A value that no variable takes is dropped silently, unless it is malformed: then the whole call fails.
  const spoilt = receivers.some(({ values }) => values.some(({ value }) => faultOfValue(value) !== undefined));
  if (spoilt || prepared.some(({ good }) => !good)) return badParameters;
  const channel = channelIn(call);
  return prepared.map(({ receiver, values }) => sendOne(call, tenant, { template, channel, values, receiver }));
}

const isApproved = ({ status }: Template) => status.toUpperCase() === 'APPROVED';

const optedOut = 'Contact has opted out of broadcast messages';

interface Prepared {
  readonly template: Template;
  readonly channel: string | undefined;
  readonly values: ReadonlyMap<string, string>;
  readonly receiver: Receiver;
}

function sendOne(call: Call, tenant: Tenant, { template, channel, values, receiver }: Prepared): Receipt {
  const { phone, localMessageId = tenant.ids.uuid('local') } = receiver;
  const outcome = tenant.settings.magic ? simulatedOutcome(phone) : undefined;
  const known = tenant.contacts.get(phone);
  if (outcome === 'not-on-whatsapp' || known?.status === 'INVALID') return { phone, localMessageId, valid: false };
  if (outcome === 'opted-out') return { phone, localMessageId, valid: true, error: optedOut };
  if (outcome !== undefined) {
    const error = outcome === 'refused' ? 'Insufficient credits to send this message' : 'Ticket has been expired.';
    return { phone, localMessageId, valid: true, error };
  }
  if (known && !known.allowBroadcast) {
    return { phone, localMessageId, valid: true, error: optedOut };
  }
  // A template send creates the contact.
  const contact = known ?? tenant.addContact(phone);
  const row = addRow(tenant, contact, {
    ...rowBase(tenant.ids, contact, call.now),
    eventType: 'broadcastMessage',
    owner: null,
    text: null,
    finalText: renderTemplate(template, values),
    type: null,
    templateName: null,
    eventDescription: `Broadcast message with using "${template.elementName}" template was sent by API`,
    statusString: 'SENT',
    failedCode: null,
    failedDetail: null,
    localMessageId,
    whatsappMessageId: newWamid(tenant.ids),
  });
  const choices = { field: 'buttonReply' as const, labels: quickReplies(template) };
  tenant.onSent({ row, contact, template, values, choices, channel });
  return { phone, localMessageId, valid: true };
}

function receiverOf(call: Call, values: Receiver['values']): Receiver {
  return { phone: one(call.query, 'whatsappNumber') ?? '', values };
}

/** The name that a body uses, and the one that a query uses. */
function channelIn({ json, query }: Call): string | undefined {
  const body = SingleBody.Check(json) || BulkBody.Check(json) ? json : undefined;
  return body?.channel_number ?? one(query, 'channelNumber');
}

const phoneIn = (target: string): string | undefined => (/^[0-9]{7,15}$/.test(target) ? target : undefined);

function toReceiver(receiver: {
  readonly whatsappNumber: string;
  readonly customParams: Receiver['values'];
  readonly localMessageId?: string;
}): Receiver {
  return {
    phone: receiver.whatsappNumber,
    values: receiver.customParams,
    ...(receiver.localMessageId === undefined ? {} : { localMessageId: receiver.localMessageId }),
  };
}

function refused(tenant: Tenant, reason: string, body: Readonly<Record<string, unknown>>): Answer {
  const answer = refusal(body);
  return reason === badParameters ? { ...answer, status: tenant.settings.templateRefusalStatus } : answer;
}

function refusedV2(tenant: Tenant, reason: string, templateName: string): Answer {
  return refused(tenant, reason, { error: reason, templateName, receivers: [] });
}

function acceptedV2(
  tenant: Tenant,
  receipts: readonly Receipt[],
  more: Readonly<Record<string, unknown>> & { readonly templateName: string },
): Answer {
  const acted = receipts.some(({ valid, error }) => valid && error === undefined);
  if (tenant.settings.bareResults) return { status: 200, body: { result: true }, acted };
  const receivers = receipts.map(({ phone, localMessageId, valid, error }) => ({
    localMessageId,
    waId: phone,
    isValidWhatsAppNumber: valid,
    errors: error === undefined ? [] : [error],
  }));
  return { status: 200, body: { result: true, error: null, receivers, ...more }, acted };
}

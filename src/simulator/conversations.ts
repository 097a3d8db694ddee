import { type Answer, badRequest, type Call, noContact, ok, one, refusal } from './call.ts';
import { findContact } from './contacts.ts';
import { pageOf } from './paging.ts';
import { ChatStatusBody } from './schemas/rest.ts';
import type { Tenant } from './state.ts';

/** Newest first, messages and system events in one list. */
export function getMessages(call: Call, tenant: Tenant): Answer {
  const target = call.params.target ?? '';
  const contact = findContact(tenant, target);
  if (!contact) return noContact();
  const rows = (tenant.history.get(contact.phone) ?? []).toReversed();
  const page = pageOf(rows, call.query, { base: tenant.settings.pageBase, path: `/api/v1/getMessages/${target}` });
  return ok({ result: 'success', messages: { items: page.items }, link: page.link });
}

/** The answer for an unknown id is a GUESS: 404. */
export function getMessageByLocalId(call: Call, tenant: Tenant): Answer {
  const row = tenant.byLocalId.get(call.params.localMessageId ?? '');
  if (!row) return { status: 404, body: { result: false, info: 'Message not found' }, acted: false };
  return ok(row);
}

export function assignOperator(call: Call, tenant: Tenant): Answer {
  const contact = findContact(tenant, one(call.query, 'whatsappNumber') ?? '');
  if (!contact) return noContact();
  const email = one(call.query, 'email');
  if (email === undefined) delete contact.operator;
  else if (tenant.operators.has(email)) contact.operator = email;
  else return refusal({ info: 'Operator not found' });
  return ok({ result: true });
}

export function updateChatStatus(call: Call, tenant: Tenant): Answer {
  if (!ChatStatusBody.Check(call.json)) return badRequest(['body']);
  const contact = findContact(tenant, call.json.whatsappNumber);
  if (!contact) return noContact();
  contact.ticketStatus = call.json.ticketStatus;
  return ok({ result: true });
}

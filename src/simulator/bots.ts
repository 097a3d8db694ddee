import { type Answer, type Call, noContact, ok, one } from './call.ts';
import { findContact } from './contacts.ts';
import type { Tenant } from './state.ts';

const bots = [
  { id: '6622a1f0c3b4d5e6f7a8b901', name: 'Welcome', created: '2025-03-01T09:00:00.000Z' },
  { id: '6622a1f0c3b4d5e6f7a8b902', name: 'Opening hours', created: '2025-04-01T09:00:00.000Z' },
] as const;

/** WATI answers a bare array. */
export function chatbots(): Answer {
  return ok(bots);
}

/** 200 with a bare string. */
export function startChatbot(call: Call, tenant: Tenant): Answer {
  if (!findContact(tenant, one(call.query, 'whatsappNumber') ?? '')) return noContact();
  const known = bots.some((bot) => bot.id === one(call.query, 'chatbotId'));
  return { status: 200, body: JSON.stringify(known ? 'Chatbot started' : 'Chatbot not found'), acted: known };
}

/** Disconnects the account for good. No client of ours may ever reach it. */
export function rotateToken(_call: Call, tenant: Tenant): Answer {
  tenant.settings.watiToken = 'revoked';
  return ok({ result: true });
}

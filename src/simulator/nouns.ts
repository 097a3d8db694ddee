import { chatbots, rotateToken, startChatbot } from './bots.ts';
import type { Answer, Call } from './call.ts';
import { createConnection, deleteConnection, getConnection, listConnections } from './connections.ts';
import { addContact, getContacts, getContactV3, updateContactAttributes } from './contacts.ts';
import { assignOperator, getMessageByLocalId, getMessages, updateChatStatus } from './conversations.ts';
import { getMedia } from './media.ts';
import {
  sendInteractiveButtonsMessage,
  sendInteractiveListMessage,
  sendSessionFile,
  sendSessionFileViaUrl,
  sendSessionMessage,
} from './messages.ts';
import type { Operation } from './operations.ts';
import type { Tenant } from './state.ts';
import {
  sendTemplateMessageCSV,
  sendTemplateMessagesV1,
  sendTemplateMessagesV2,
  sendTemplateMessageV1,
  sendTemplateMessageV2,
} from './template-sends.ts';
import { getMessageTemplates } from './templates.ts';
import { listWebhookEndpoints } from './webhook-endpoints.ts';

/** The tenant's handler for each operation. */
export const nouns: Readonly<Record<Operation, (call: Call, tenant: Tenant) => Answer>> = {
  getContacts,
  getContactV3,
  addContact,
  updateContactAttributes,
  getMessages,
  getMessageByLocalId,
  sendSessionMessage,
  sendSessionFile,
  sendSessionFileViaUrl,
  getMessageTemplates,
  sendTemplateMessageV1,
  sendTemplateMessageV2,
  sendTemplateMessagesV1,
  sendTemplateMessagesV2,
  sendTemplateMessageCSV,
  sendInteractiveButtonsMessage,
  sendInteractiveListMessage,
  assignOperator,
  updateChatStatus,
  getMedia,
  chatbots,
  startChatbot,
  listWebhookEndpoints,
  rotateToken,
  listConnections,
  createConnection,
  getConnection,
  deleteConnection,
};

import type { Operation } from '../operations.ts';
import type { Rule } from './common.ts';
import { addContactRule, getContactsRule, getContactV3Rule, updateContactAttributesRule } from './contacts.ts';
import {
  sendInteractiveButtonsMessageRule,
  sendInteractiveListMessageRule,
  sendSessionFileRule,
  sendSessionFileViaUrlRule,
  sendSessionMessageRule,
} from './messages.ts';
import {
  assignOperatorRule,
  chatbotsRule,
  createConnectionRule,
  deleteConnectionRule,
  getConnectionRule,
  getMediaRule,
  getMessageByLocalIdRule,
  getMessagesRule,
  listConnectionsRule,
  listWebhookEndpointsRule,
  rotateTokenRule,
  startChatbotRule,
  updateChatStatusRule,
} from './rest.ts';
import {
  getMessageTemplatesRule,
  sendTemplateMessageCsvRule,
  sendTemplateMessagesV1Rule,
  sendTemplateMessagesV2Rule,
  sendTemplateMessageV1Rule,
  sendTemplateMessageV2Rule,
} from './templates.ts';

/** The simulator's own rules for every request, written from docs/reference/upstream.md and not from the client that it has to check. */
export const rules: Readonly<Record<Operation, Rule>> = {
  getContacts: getContactsRule,
  getContactV3: getContactV3Rule,
  addContact: addContactRule,
  updateContactAttributes: updateContactAttributesRule,
  getMessages: getMessagesRule,
  getMessageByLocalId: getMessageByLocalIdRule,
  sendSessionMessage: sendSessionMessageRule,
  sendSessionFile: sendSessionFileRule,
  sendSessionFileViaUrl: sendSessionFileViaUrlRule,
  getMessageTemplates: getMessageTemplatesRule,
  sendTemplateMessageV1: sendTemplateMessageV1Rule,
  sendTemplateMessageV2: sendTemplateMessageV2Rule,
  sendTemplateMessagesV1: sendTemplateMessagesV1Rule,
  sendTemplateMessagesV2: sendTemplateMessagesV2Rule,
  sendTemplateMessageCSV: sendTemplateMessageCsvRule,
  sendInteractiveButtonsMessage: sendInteractiveButtonsMessageRule,
  sendInteractiveListMessage: sendInteractiveListMessageRule,
  assignOperator: assignOperatorRule,
  updateChatStatus: updateChatStatusRule,
  getMedia: getMediaRule,
  chatbots: chatbotsRule,
  startChatbot: startChatbotRule,
  listWebhookEndpoints: listWebhookEndpointsRule,
  rotateToken: rotateTokenRule,
  listConnections: listConnectionsRule,
  createConnection: createConnectionRule,
  getConnection: getConnectionRule,
  deleteConnection: deleteConnectionRule,
};

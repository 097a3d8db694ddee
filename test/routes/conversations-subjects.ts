import type { Subject } from './outcomes.ts';

export const known = '14155551000';
export const history: Subject = {
  name: 'GET messages',
  method: 'GET',
  path: `/v1/conversations/${known}/messages`,
  operation: 'getMessages',
};
export const operator: Subject = {
  name: 'PUT operator',
  method: 'PUT',
  path: `/v1/conversations/${known}/operator`,
  operation: 'assignOperator',
  ask: { json: { email: 'asha@example.com' } },
};
export const status: Subject = {
  name: 'PUT status',
  method: 'PUT',
  path: `/v1/conversations/${known}/status`,
  operation: 'updateChatStatus',
  ask: { json: { status: 'solved' } },
};

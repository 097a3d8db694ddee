import type { Subject } from './outcomes.ts';

export const list: Subject = {
  name: 'GET templates',
  method: 'GET',
  path: '/v1/templates',
  operation: 'getMessageTemplates',
};
export const get: Subject = {
  name: 'GET template',
  method: 'GET',
  path: '/v1/templates/welcome',
  operation: 'getMessageTemplates',
};
export const preview: Subject = {
  name: 'POST preview',
  method: 'POST',
  path: '/v1/templates/welcome/preview',
  operation: 'getMessageTemplates',
  ask: { json: {} },
};

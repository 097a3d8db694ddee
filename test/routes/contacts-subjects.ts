import type { Subject } from './outcomes.ts';

export const known = '14155551000';
export const fresh = '4915112345678';
export const list: Subject = { name: 'GET contacts', method: 'GET', path: '/v1/contacts', operation: 'getContacts' };
export const get: Subject = {
  name: 'GET contact',
  method: 'GET',
  path: `/v1/contacts/${known}`,
  operation: 'getContacts',
};
export const put: Subject = {
  name: 'PUT contact',
  method: 'PUT',
  path: `/v1/contacts/${fresh}`,
  operation: 'addContact',
  ask: { json: { name: 'Asha' } },
  success: 201,
};
export const patch: Subject = {
  name: 'PATCH contact',
  method: 'PATCH',
  path: `/v1/contacts/${known}`,
  operation: 'updateContactAttributes',
  ask: { json: { attributes: { member: 'VIP' } } },
};

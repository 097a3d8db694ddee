import { type Subject, seededConnection } from './outcomes.ts';

export const one = `/v1/connections/${seededConnection}`;
export const list: Subject = {
  name: 'GET connections',
  method: 'GET',
  path: '/v1/connections',
  operation: 'listConnections',
};
export const get: Subject = { name: 'GET connection', method: 'GET', path: one, operation: 'getConnection' };
export const create: Subject = {
  name: 'POST connections',
  method: 'POST',
  path: '/v1/connections',
  operation: 'createConnection',
  ask: { json: {} },
  success: 201,
};
export const remove: Subject = {
  name: 'DELETE connection',
  method: 'DELETE',
  path: one,
  operation: 'deleteConnection',
  success: 204,
};

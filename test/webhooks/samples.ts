import type { StoredEndpoint } from '../../src/store/webhook-endpoint-store.ts';

/** 32 random bytes, of the tests alone. */
export const signingKey = 'kqKkVHm5gVxC6bUQ4XHq6rJ0Y0gkqlB5rO3s0bDKk1M=';
export const otherSigningKey = 'Vt0c2mYb1c0m0xw6Z9r6P0c4mS8nT1f7Qe5Jx3uLh2E=';

export const endpointAt = (url: string, rest: Partial<StoredEndpoint> = {}): StoredEndpoint => ({
  id: '0b6f6f0e-5f0f-4f55-9b8b-0d6f0a4b7c11',
  caller: 'billing',
  url,
  types: ['message.delivered'],
  position: 0,
  status: 'enabled',
  createdAt: 0,
  updatedAt: 0,
  secretVersion: 1,
  failures: 0,
  epoch: 1,
  ahead: [],
  ...rest,
});

import { Type } from '../lib/type.ts';
import { exampleIds, Timestamp } from './common.ts';

/** A webhook endpoint as operators see it: not its path, which may be a secret of the receiver. */
export const OperatorEndpoint = Type.Object({
  id: Type.String({ examples: [exampleIds.endpoint] }),
  host: Type.String({ description: 'of its address, with the port', examples: ['hooks.example.com'] }),
  status: Type.String({ description: '`enabled` or `disabled`', examples: ['enabled'] }),
  reason: Type.Optional(
    Type.String({ description: 'why it is disabled: `gone`, `failing`, `caller`', examples: ['failing'] }),
  ),
  failingSince: Type.Optional(Timestamp),
  lastSuccessAt: Type.Optional(Timestamp),
  secretVersion: Type.Integer({ description: 'counts the secrets: one more with each rotation', examples: [1] }),
  previousSecretUntil: Type.Optional(
    Type.String({
      description: 'until when the secret before the present one signs as well',
      examples: ['2026-11-03T09:30:00.000Z'],
    }),
  ),
});

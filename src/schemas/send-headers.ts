import { Type } from '../lib/type.ts';

const idempotencyKey = (what: string, example: string) =>
  Type.String({
    pattern: '^[A-Za-z0-9._:-]{1,255}$',
    'x-form': '1 to 255 letters, digits and . _ : -',
    examples: [example],
    description: `one key a ${what}; repeat it with the same request`,
  });
const messageKey = idempotencyKey('message', 'order-1001-shipped');
const broadcastKey = idempotencyKey('broadcast', 'autumn-sale-2026');

/** A dictionary of RFC 9218 with its two members. The docs page sends the example, so it requests nothing special. */
const priorityMember = '(u=[0-7]|i(=\\?[01])?)';
const priority = Type.Optional(
  Type.String({
    pattern: `^${priorityMember}([ \\t]*,[ \\t]*${priorityMember})*$`,
    'x-form': 'u=0 to u=7, as RFC 9218 writes it',
    maxLength: 64,
    examples: ['u=3'],
    description:
      'RFC 9218. `u=0`: before all other calls that wait for their turn, for login codes and the like; needs the scope `messages:urgent`. `u=1` to `u=7`, or no such header: the normal line',
  }),
);

export const SendHeaders = Type.Object({ 'idempotency-key': Type.Optional(messageKey), priority });

/** Required where one request reaches many people, so that an accidental repeat is harmless. */
export const KeyedSendHeaders = Type.Object({ 'idempotency-key': broadcastKey, priority });

/** Broadcasts have a lane of their own, so `Priority` has no effect. */
export const BroadcastHeaders = Type.Object({ 'idempotency-key': broadcastKey });

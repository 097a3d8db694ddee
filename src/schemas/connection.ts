import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { exampleIds, oneOf, strict, Timestamp } from './common.ts';

export const connectionStatuses = ['active', 'pending', 'failed'] as const;

const shape = {
  id: Type.String(),
  status: oneOf([...connectionStatuses]),
  method: Type.Optional(Type.String({ description: 'how the account was authorized' })),
  createdAt: Timestamp,
  updatedAt: Timestamp,
};

export const Connection = Type.Object(shape, { title: 'Connection' });
export type Connection = Static<typeof Connection>;

export const ConnectionList = Type.Object(
  {
    data: Type.Array(Connection),
    page: Type.Object({ number: Type.Integer(), size: Type.Integer(), total: Type.Integer() }),
  },
  { title: 'ConnectionList' },
);

export const CreatedConnection = Type.Object(
  {
    ...shape,
    authorizationUrl: Type.Optional(
      Type.String({ description: 'a person opens it to authorize the account; it is a secret, shown only here' }),
    ),
  },
  { title: 'CreatedConnection' },
);
export type CreatedConnection = Static<typeof CreatedConnection>;

export const ConnectionQuery = Type.Object({ status: Type.Optional(oneOf([...connectionStatuses])) }, strict);
const connectionParams = (example: string) =>
  Type.Object(
    { id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$', 'x-form': 'the id of a connection', examples: [example] }) },
    strict,
  );
export const ConnectionParams = connectionParams(exampleIds.connection);
/** Not the sandbox's main connection, so that an account is left to send with after the example was tried. */
export const DeleteConnectionParams = connectionParams(exampleIds.failedConnection);
export const ConnectionPost = Type.Object({}, { title: 'ConnectionPost', ...strict, examples: [{}] });

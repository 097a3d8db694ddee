import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { oneOf } from './common.ts';

export const Live = Type.Object({ status: oneOf(['live']) }, { title: 'Live' });

export const Ready = Type.Object(
  {
    status: oneOf(
      ['ready', 'recovering', 'not-ready', 'draining'],
      'recovering: after a start, while what an earlier process left behind is looked through',
    ),
    store: oneOf(['writable', 'failing'], 'whether messages can be recorded'),
    gateway: oneOf(['reachable', 'unreachable'], 'whether Maton answers'),
    key: oneOf(['accepted', 'refused', 'unknown'], 'what Maton says of our key'),
    connection: oneOf(
      ['active', 'changed', 'none', 'unknown'],
      'whether a connection can be used; changed: the only active one is not the one that was used before, so requests that name none are refused',
    ),
    authorization: Type.Optional(
      oneOf(
        ['expired'],
        'there while answers over each active connection say that it has expired, though Maton lists it as active: it has to be authorized again; the service is ready all the same',
      ),
    ),
    sending: Type.Optional(
      oneOf(
        ['stopped'],
        'there while an operator has stopped all sending or some of it; the service is ready all the same',
      ),
    ),
    broadcasts: Type.Optional(
      oneOf(
        ['held'],
        'there while the service has paused broadcasts because WATI refused all of them; the service is ready all the same',
      ),
    ),
  },
  { title: 'Ready' },
);
export type Ready = Static<typeof Ready>;

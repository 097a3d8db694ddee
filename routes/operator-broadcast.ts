import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Broadcasts } from '../src/broadcasts/types.ts';
import type { Holds } from '../src/holds/holds.ts';
import { Problem } from '../src/problem.ts';
import { broadcastParams } from '../src/schemas/broadcast.ts';
import { exampleIds } from '../src/schemas/common.ts';
import { OperatorBroadcast } from '../src/schemas/operator.ts';
import type { OperatorMessageStore } from '../src/store/operator-message-store.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import { shownBroadcast } from './operator-records.ts';

interface Services {
  store: Pick<OperatorMessageStore, 'findAnyBroadcast'>;
  broadcasts: Pick<Broadcasts, 'find'>;
  holds: Holds;
}

/** Returns one broadcast of any caller. */
export const operatorBroadcast: FastifyPluginAsyncTypebox<Services> = async (app, { store, broadcasts, holds }) => {
  app.get(
    '/v1/operations/broadcasts/:id',
    {
      config: { scope: 'operations:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'getAnyBroadcast',
        tags: ['operations'],
        summary: 'Read a broadcast of any caller',
        description:
          'As its caller reads it: with the deliveries of accepted messages, the reasons for rejections, and the progress of the search for unknown ones. `hold` says why a broadcast with waiting recipients does not continue now.',
        params: broadcastParams(exampleIds.doneBroadcast),
        response: { 200: OperatorBroadcast },
      },
    },
    async (request) => {
      const { id } = request.params;
      const found = await store.findAnyBroadcast(id).catch(throwStoreUnreadable);
      if (!found) throw new Problem('not-found', 'there is no broadcast with this id');
      return shownBroadcast(await broadcasts.find(found.caller, id), holds);
    },
  );
};

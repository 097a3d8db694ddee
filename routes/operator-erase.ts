import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { masked } from '../src/lib/masked.ts';
import { erasePerson } from '../src/operator/erase-person.ts';
import { digits } from '../src/schemas/common.ts';
import { Erased, ErasePost } from '../src/schemas/erase.ts';
import type { OperatorStore } from '../src/store/operator-store.ts';
import type { PersonStore } from '../src/store/person-store.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import type { TrackingStore } from '../src/store/tracking-store.ts';
import { audited } from './operator-act.ts';

interface Services {
  store: Pick<OperatorStore, 'listCallers'> &
    PersonStore &
    Pick<TrackingStore, 'countPersonTracking' | 'erasePersonTracking'>;
  /** Called when a broadcast may have nothing to send any more. */
  onChange: () => void;
  onTaskError: (task: string, error: unknown) => void;
}

/** The most batches of one request, which waits for them: some seconds of work. */
const batchesMax = 100;

/** Finds and deletes what is kept of one person, across all callers. */
export const operatorErase: FastifyPluginAsyncTypebox<Services> = async (app, { store, onChange, onTaskError }) => {
  app.post(
    '/v1/operations/erase',
    {
      config: { scope: 'operations:write', problems: ['store-unavailable'] },
      schema: {
        operationId: 'erasePerson',
        tags: ['operations'],
        summary: 'Erase what is kept of one person',
        description:
          'The records of all messages to this recipient, of all callers: what is queued is cancelled, what has ended is deleted, with what is known of its conversations; there is no way back. The counts of broadcasts stay as they are. What is on the wire, or of a broadcast that is being recorded, stays and is in `left`, as is what is beyond 50,000 records: ask again. An `Idempotency-Key` goes with its record, so a repeat under it is sent. What WATI keeps is not touched. In a SQLite file of more than 16 MB traces may stay until `npm run erase` writes it anew; PostgreSQL keeps some until it uses the room again. `dryRun` only counts. It is written to the log, the number by its last four digits.',
        body: ErasePost,
        response: { 200: Erased },
      },
    },
    async (request) => {
      const { to, dryRun = false } = request.body;
      const about: Record<string, unknown> = { to: masked(to), dryRun };
      return audited(request, { act: 'person-erase', about }, async () => {
        const onProgress = (done: object) => Object.assign(about, done);
        const ask = { to: digits(to), dryRun, batchesMax, onProgress };
        const erasure = await erasePerson(store, ask).catch(throwStoreUnreadable);
        Object.assign(about, erasure);
        if (!dryRun) {
          onChange();
          // The response does not wait for this: it takes long on PostgreSQL with a large table.
          store.scrub({ exclusive: false }).catch((error) => onTaskError('scrub', error));
        }
        return { to: masked(to), dryRun, ...erasure };
      });
    },
  );
};

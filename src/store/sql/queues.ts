import type { OwnedQueue, QueueStore } from '../message-store.ts';
import type { Dialect, Engine, Row, Statement, Step } from './engine.ts';
import type { InDoubtInserts } from './in-doubt.ts';
import { queueStatements } from './queue-statements.ts';
import { recoveryStatements } from './recovery-statements.ts';
import { integer, queueValues, toMessage, toOwnedQueue } from './row-mapping.ts';

const DIED_SENDING = 'the process that was sending it ended before the outcome was known';
const DIED_WITH_STREAM = 'the process that held its bytes ended before any were sent';

export function createQueueStore(
  engine: Engine,
  dialect: Dialect,
  { inDoubt, now }: { inDoubt: Pick<InDoubtInserts, 'has'>; now: () => number },
): QueueStore {
  const sql = { ...queueStatements(dialect), ...recoveryStatements(dialect) };

  /** Runs the statements after the dialect's fence, so that concurrent recoveries and adoptions are serialized. */
  const writeFenced = async (steps: readonly Step[]): Promise<Row[][]> => {
    const fence = sql.fence.map((statement: Statement) => ({ statement, values: {} }));
    return (await engine.write([...fence, ...steps])).slice(fence.length);
  };

  return {
    async recoverOrphans() {
      const wall = now();
      const [unknown = [], lostStreams = []] = await writeFenced([
        { statement: sql.markOrphansUnknown, values: { wall, detail: DIED_SENDING } },
        { statement: sql.failOrphanStreams, values: { wall, detail: DIED_WITH_STREAM } },
      ]);
      return { unknown: unknown.filter(({ status }) => status === 'unknown').length, lostStreams: lostStreams.length };
    },

    async listQueues(limit, after) {
      const step = after
        ? { statement: sql.listQueuesAfter, values: { limit, ...placeOf(after) } }
        : { statement: sql.listQueues, values: { limit } };
      return (await engine.read(step)).map(toOwnedQueue);
    },

    async adoptOrphans(queue, limit) {
      const values = { ...queueValues(queue), owner: queue.owner, limit };
      const [adopted = []] = await writeFenced([{ statement: sql.adoptOrphans, values }]);
      return adopted.length;
    },

    async listOwnQueued(queue, limit, except) {
      const rows = JSON.stringify(except.map((id) => ({ id })));
      const values = { ...queueValues(queue), limit, rows };
      const own = (await engine.read({ statement: sql.listOwnQueued, values })).map(toMessage);
      return own.filter(({ id }) => !inDoubt.has(id));
    },

    async countQueued(limit, caller) {
      const step =
        caller === undefined
          ? { statement: sql.countQueued, values: { limit } }
          : { statement: sql.countQueuedOf, values: { limit, caller } };
      const [row] = await engine.read(step);
      return row === undefined ? 0 : integer(row, 'n');
    },
  };
}

const placeOf = ({ caller, connectionId, owner }: OwnedQueue) => ({ caller, connection_id: connectionId, owner });

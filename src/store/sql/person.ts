import { StoreError } from '../errors.ts';
import type { PersonState, PersonStore } from '../person-store.ts';
import type { Dialect, Engine, Statement, Step } from './engine.ts';
import { personStatements } from './person-statements.ts';
import { integer, isStatus, required } from './row-mapping.ts';

const CANCELLED = 'what is kept of its recipient is being erased';

export function createPersonStore(engine: Engine, dialect: Dialect, now: () => number = () => Date.now()): PersonStore {
  const sql = personStatements(dialect);
  const changed = async (statement: Statement, values: Step['values']): Promise<number> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows.length;
  };
  return {
    async countPerson(caller, to) {
      const rows = await engine.read({ statement: sql.count, values: { caller, to } });
      return rows.map((row) => ({ caller, status: stateOf(required(row, 'state')), count: integer(row, 'n') }));
    },
    cancelPerson: (caller, to, limit) => changed(sql.cancel, { caller, to, limit, detail: CANCELLED, wall: now() }),
    erasePerson: (caller, to, limit) => changed(sql.erase, { caller, to, limit }),
    scrub: ({ exclusive }) => engine.scrub(exclusive),
  };
}

function stateOf(state: string): PersonState {
  if (state === 'recording' || isStatus(state)) return state;
  throw new StoreError(`the store holds a send that is ${state}`);
}

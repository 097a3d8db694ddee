import { Problem } from '../problem.ts';
import type { SendStore } from '../store/port.ts';
import { unreadable } from '../store-problems.ts';

/** In the store. */
const name = 'only-connection';

/**
 * Where no connection is named or configured, the only active one is used. That may come to be somebody else's account, whose
 * customers are not ours: so the one that was sent over first is kept in the store, and another one is refused until an operator
 * names it with MATON_CONNECTION_ID.
 */
export interface ConnectionPin {
  /** Of a request that sends: keeps the connection where none is kept yet. Throws `connection-ambiguous` for another one. */
  use(connection: string): Promise<void>;
  /** Of any other request, the same without keeping it. It goes on while the store cannot be read. */
  compare(connection: string): Promise<void>;
  /** The one that is kept, where it is not this one. Throws StoreError. */
  otherThan(connection: string): Promise<string | undefined>;
}

interface PinServices {
  store: Pick<SendStore, 'pin' | 'pinned'>;
  /** The only active connection is not the one that is kept: told once for each. */
  onChange: (changed: { connection: string; pinned: string }) => void;
}

export function createConnectionPin({ store, onChange }: PinServices): ConnectionPin {
  /** Known to be the one that is kept; another word of an operator is only heard at a start. */
  let kept: string | undefined;
  let told: string | undefined;

  const differs = (connection: string, pinned: string | undefined): string | undefined => {
    if (pinned === undefined) return undefined;
    if (pinned === connection) {
      kept = pinned;
      told = undefined;
      return undefined;
    }
    if (told !== connection) onChange({ connection, pinned });
    told = connection;
    return pinned;
  };
  const otherThan: ConnectionPin['otherThan'] = async (connection) =>
    kept === connection ? undefined : differs(connection, await keptConnection(store));

  return {
    otherThan,
    use: async (connection) => {
      if (kept === connection) return;
      // Read first: one that is refused again and again is to cost no write.
      const pinned = await keptConnection(store)
        .then((known) => known ?? store.pin(name, connection))
        .catch(unreadable);
      if (differs(connection, pinned) !== undefined) throw changed();
    },
    compare: async (connection) => {
      const other = await otherThan(connection).catch(() => undefined);
      if (other !== undefined) throw changed();
    },
  };
}

/** The connection that is kept, if there is one. */
export const keptConnection = (store: Pick<SendStore, 'pinned'>): Promise<string | undefined> => store.pinned(name);

/** An operator's word: from now on it is this one. */
export const acceptConnection = (store: Pick<SendStore, 'repin'>, connection: string): Promise<void> =>
  store.repin(name, connection);

const changed = () =>
  new Problem(
    'connection-ambiguous',
    'the only active connection is another one than was used before; name it with Maton-Connection if you mean it, or ask your operator to set MATON_CONNECTION_ID',
  );

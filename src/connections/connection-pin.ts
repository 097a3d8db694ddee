import { Problem } from '../problem.ts';
import type { MessageStore } from '../store/message-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';

/** The name of the value in the store. */
const name = 'only-connection';

/**
 * Without a named or configured connection, the only active one is used. Later the only active one may be another account with
 * other customers. So the store keeps the first connection that was used, and any other is refused until an operator names it
 * with MATON_CONNECTION_ID.
 */
export interface ConnectionPin {
  /** For a request that sends: stores the connection if none is stored yet. Throws `connection-ambiguous` if another one is. */
  use(connection: string): Promise<void>;
  /** For any other request: the same without storing it. Passes while the store cannot be read. */
  compare(connection: string): Promise<void>;
  /** The stored connection, if it is another one. Throws StoreError. */
  otherThan(connection: string): Promise<string | undefined>;
}

interface PinServices {
  store: Pick<MessageStore, 'pin' | 'findPin'>;
  /** The only active connection is not the stored one; called once for each. */
  onChange: (changed: { connection: string; pinned: string }) => void;
}

export function createConnectionPin({ store, onChange }: PinServices): ConnectionPin {
  /** Read from the store once; an operator can change it only before a start. */
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
      // Reads first, so that repeated refusals cost no write.
      const pinned = await keptConnection(store)
        .then((known) => known ?? store.pin(name, connection))
        .catch(throwStoreUnreadable);
      if (differs(connection, pinned) !== undefined) throw changed();
    },
    compare: async (connection) => {
      const other = await otherThan(connection).catch(() => undefined);
      if (other !== undefined) throw changed();
    },
  };
}

/** The stored connection, if there is one. */
export const keptConnection = (store: Pick<MessageStore, 'findPin'>): Promise<string | undefined> =>
  store.findPin(name);

/** Replaces the stored connection, on an operator's request. */
export const acceptConnection = (store: Pick<MessageStore, 'replacePin'>, connection: string): Promise<void> =>
  store.replacePin(name, connection);

const changed = () =>
  new Problem(
    'connection-ambiguous',
    'the only active connection is another one than was used before; name it with Maton-Connection if you mean it, or ask your operator to set MATON_CONNECTION_ID',
  );

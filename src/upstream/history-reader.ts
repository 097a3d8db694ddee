import { Problem } from '../problem.ts';
import type { Conversations, History } from './conversations.ts';
import { inSmallerPages } from './pages.ts';
import { isPassing } from './passing-problems.ts';
import type { CallerPriority } from './permits.ts';
import type { JsonObject } from './tolerant-reader.ts';

export interface HistoryAsk {
  connectionId: string;
  recipient: string;
  /** The company's own number; absent: WATI's default. */
  channel?: string | undefined;
}

/** The newest rows of a history; undefined: nobody answers now. */
export type ReadHistory = (ask: HistoryAsk) => Promise<readonly JsonObject[] | undefined>;

/** The lane behind all requests with a waiting client. */
const priority: CallerPriority = { caller: 'wati-bff', lane: 'broadcast' };

export function createHistoryReader(
  conversations: Pick<Conversations, 'history'>,
  onFault: (error: unknown) => void,
): ReadHistory {
  return async ({ connectionId: connection, recipient, channel }) => {
    const newest = (pageSize: number) =>
      conversations.history({ connection, channel, priority }, recipient, { pageNumber: 1, pageSize });
    try {
      return (await inSmallerPages([100, 10], newest)).rows;
    } catch (error) {
      if (!(error instanceof Problem && error.slug === 'not-found')) onFault(error);
      return isPassing(error) ? undefined : noRows;
    }
  };
}

/** A contact that WATI does not know, or whose history cannot be read, says as little as one without messages. */
const noRows: History['rows'] = [];

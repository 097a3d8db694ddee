import { Problem } from '../problem.ts';
import type { CallContext } from './client.ts';
import type { Conversations, History } from './conversations.ts';
import { inSmallerPages } from './pages.ts';
import { isPassing } from './passing-problems.ts';
import { backgroundPriority } from './permits.ts';
import type { JsonObject } from './tolerant-reader.ts';

export interface HistoryAsk {
  connectionId: string;
  recipient: string;
  /** The company's own number; absent: WATI's default. */
  channel?: string | undefined;
}

/** The newest rows of a history; undefined: the upstream does not answer now. */
export type ReadHistory = (ask: HistoryAsk) => Promise<readonly JsonObject[] | undefined>;

/** Page sizes. The second is used if rows are so long that a page of the first exceeds the limit of an answer. */
const pageSizes = [100, 10] as const;

/** The newest page of a history. Throws a Problem. */
export async function newestRows(
  conversations: Pick<Conversations, 'history'>,
  context: CallContext,
  recipient: string,
): Promise<History['rows']> {
  const newest = (pageSize: number) => conversations.history(context, recipient, { pageNumber: 1, pageSize });
  return (await inSmallerPages(pageSizes, newest)).rows;
}

export function createHistoryReader(
  conversations: Pick<Conversations, 'history'>,
  onFault: (error: unknown) => void,
): ReadHistory {
  return async ({ connectionId: connection, recipient, channel }) => {
    try {
      return await newestRows(conversations, { connection, channel, priority: backgroundPriority }, recipient);
    } catch (error) {
      if (!(error instanceof Problem && error.slug === 'not-found')) onFault(error);
      return isPassing(error) ? undefined : noRows;
    }
  };
}

/** A contact that WATI does not know, or whose history cannot be read, proves as little as one without messages. */
const noRows: History['rows'] = [];

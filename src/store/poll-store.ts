/**
 * Recipients whose history is to be read because no webhook reports on their messages, and the counts of calls. Types only,
 * like message-store.ts, and tested by the same conformance suite.
 */

/** A connection over which messages were sent in the last day. */
export interface SendingConnection {
  connectionId: string;
  /** When the listener for its webhooks last noted that it is running; absent: there is none. */
  listenedMsAgo?: number;
  /** When its last webhook came, or since when it is listened for. */
  eventMsAgo?: number;
  /** Accepted messages since then of which nothing is known. */
  silentSends: number;
}

/** A recipient of a message that is neither read nor failed, as far as is known. */
export interface OpenRecipient {
  recipient: string;
  /** When the last of these messages ended. */
  endedMsAgo: number;
  /** When its history is to be read, from now; absent: it is not scheduled. */
  dueInMs?: number;
}

export interface OpenSend {
  /** The company's own number that the message went through, if it was named. */
  channel?: string;
  endedMsAgo: number;
}

/** A recipient whose history is to be read. */
export interface DuePoll {
  connectionId: string;
  recipient: string;
  /** Reads so far. */
  looks: number;
  /** Shows `pollDone` whether the recipient was scheduled again meanwhile. */
  lease: number;
}

export interface PollStore {
  /** Based on the newest 5,000 messages that ended in the last day. */
  sendingConnections(): Promise<SendingConnection[]>;
  /**
   * Recipients of accepted and unknown messages that ended between these two ages, ms, and are not known to be read or failed.
   * Newest first, each once; considers only the newest 5,000 messages of that time.
   */
  openRecipients(
    connectionId: string,
    ago: { fromMs: number; untilMs: number },
    limit: number,
  ): Promise<OpenRecipient[]>;
  /** Such messages to one recipient that ended in the last `ms`, newest first, at most a hundred. */
  openSends(connectionId: string, recipient: string, fromMs: number): Promise<OpenSend[]>;

  /** Makes each due this long from now, with no reads counted. */
  schedulePolls(polls: readonly { connectionId: string; recipient: string; inMs: number }[]): Promise<void>;
  /**
   * Recipients that are due, without those of the excluded connections. Each is returned to one process; if `pollDone` is not
   * called, again after five minutes.
   */
  duePolls(except: readonly string[], limit: number): Promise<DuePoll[]>;
  /**
   * Increments `looks`, and makes the recipient due again after `inMs`; without `inMs` it is removed. If it was scheduled
   * meanwhile, that is kept.
   */
  pollDone(poll: DuePoll, inMs?: number): Promise<void>;

  /** Counts one read of this day (UTC). Returns false if all processes together have counted `most` already. */
  spendPoll(connectionId: string, most: number): Promise<boolean>;
  /** Reads of this day, and recipients that are scheduled. */
  pollLoad(connectionId: string): Promise<{ spent: number; scheduled: number }>;

  /** Adds to the calls of these connections in the current month (UTC). */
  countCalls(calls: readonly { connectionId: string; n: number }[]): Promise<void>;
  /** Calls of this month, of the hundred connections with most. */
  monthCalls(): Promise<{ connectionId: string; n: number }[]>;
}

/**
 * Whose history is to be read because no webhook tells of their messages, and what calls cost. Types only, like message-store.ts, and
 * held to by the same conformance suite.
 */

/** A connection over which messages went out in the last day. */
export interface SendingConnection {
  connectionId: string;
  /** When the listener for its webhooks last noted that it is up; absent: there is none. */
  listenedMsAgo?: number;
  /** When its last webhook came, or since when it is listened for. */
  eventMsAgo?: number;
  /** Accepted messages since then of which nothing is known. */
  silentSends: number;
}

/** Somebody with a message that is neither read nor failed, as far as is known. */
export interface OpenRecipient {
  recipient: string;
  /** When the last of these messages ended. */
  endedMsAgo: number;
  /** When its history is to be read, from now; absent: it is not scheduled. */
  dueInMs?: number;
}

export interface OpenSend {
  /** The company's own number that it went through, where it was named. */
  channel?: string;
  endedMsAgo: number;
}

/** A recipient whose history is to be read. */
export interface DuePoll {
  connectionId: string;
  recipient: string;
  /** Reads so far. */
  looks: number;
  /** What `pollDone` needs to know that nothing was scheduled meanwhile. */
  lease: number;
}

export interface PollStore {
  /** Of the newest 5,000 messages that ended in the last day. */
  sendingConnections(): Promise<SendingConnection[]>;
  /**
   * Recipients of accepted and unknown messages that ended between so many ms ago and are not known to be read or failed, newest
   * first, each once; it looks at no more than the newest 5,000 messages of that time.
   */
  openRecipients(
    connectionId: string,
    ago: { fromMs: number; untilMs: number },
    limit: number,
  ): Promise<OpenRecipient[]>;
  /** Such messages to one recipient that ended in the last so many ms, newest first, at most a hundred. */
  openSends(connectionId: string, recipient: string, fromMs: number): Promise<OpenSend[]>;

  /** Each is due so long from now, with no read behind it. */
  schedulePolls(polls: readonly { connectionId: string; recipient: string; inMs: number }[]): Promise<void>;
  /** Of all connections but these. Each is handed out to one process; where `pollDone` never comes, again after five minutes. */
  duePolls(except: readonly string[], limit: number): Promise<DuePoll[]>;
  /** looks + 1, and due again so long from now; without `inMs` it is over. What was scheduled meanwhile stays. */
  pollDone(poll: DuePoll, inMs?: number): Promise<void>;

  /** Counts one read of this day (UTC); false: as many as `most` are counted already, by whichever process. */
  spendPoll(connectionId: string, most: number): Promise<boolean>;
  /** Reads of this day, and recipients that are scheduled. */
  pollLoad(connectionId: string): Promise<{ spent: number; scheduled: number }>;

  /** Adds to the calls of these connections in the present month (UTC). */
  countCalls(calls: readonly { connectionId: string; n: number }[]): Promise<void>;
  /** Calls of this month: of the hundred connections with most. */
  monthCalls(): Promise<{ connectionId: string; n: number }[]>;
}

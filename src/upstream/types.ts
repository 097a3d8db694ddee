import type { CallerPriority } from './permits.ts';
import type { BodyText, Headers } from './untrusted-body.ts';

/**
 * One call upstream, as data. `operation` names it in logs and metrics. `query` is encoded here; absent values are
 * left out. A call has a JSON body or none; streams go through streams.ts.
 */
export interface Call {
  operation: string;
  host: 'gateway' | 'control';
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Record<string, string | number | undefined>;
  json?: unknown;
  connection?: string;
  /** The company's own number, if WATI takes one for this operation. */
  channel?: string | undefined;
  /** A send can put a message before a person: never repeated here, and over a fresh TCP connection (docs/adr/0006-a-fresh-connection-for-each-send.md). */
  sends?: boolean;
  /** Called right before the first byte; false: nothing is sent. */
  canSend?: () => boolean;
  /** For whom the call waits for a permit; `permit-held`: a permit was acquired already. */
  priority?: CallerPriority | 'permit-held';
  /** Reads: a permit was acquired for the first try alone. */
  hasPermit?: boolean;
  /** Aborts when no client waits any more; a queued call then leaves the queue. */
  callerSignal?: () => AbortSignal;
}

/** An HTTP answer arrived whole. `containedKey`: the upstream quoted our key; the text is what could be saved of it. */
export interface HttpResponse extends BodyText {
  kind: 'answered';
  status: number;
}

/**
 * No whole answer. `sent` is false only where it is proved that no byte of the request left;
 * `status` is there when the status line came before the answer broke.
 */
export interface HttpFailure {
  kind: 'failed';
  bytesSent: boolean;
  timedOut: boolean;
  status?: number;
  headers?: Headers;
  cause: Error;
}

export type HttpResult = HttpResponse | HttpFailure;

/** One HTTP call, for logs and metrics. */
export interface CallReport {
  operation: string;
  host: Call['host'];
  status?: number;
  errorCode?: string;
  bytesSent: boolean;
  durationMs: number;
  /** The call was made for another reader and shared. */
  isShared?: true;
}

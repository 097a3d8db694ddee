import type { CallerPriority } from './permits.ts';
import type { BodyText, Headers } from './untrusted-body.ts';

/**
 * One upstream call as data. `operation` names it in logs and metrics. `query` is encoded here; undefined values are left out.
 * The body is JSON or absent; streamed bodies are in src/upstream/streaming.ts.
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
  /**
   * The call can send a message to a person: it is never repeated here, and made over a fresh TCP connection
   * (docs/adr/0006-a-fresh-connection-for-each-send.md).
   */
  sends?: boolean;
  /** Called right before the first byte; if it returns false, nothing is sent. */
  canSend?: () => boolean;
  /** The priority with which the call waits for a permit. */
  priority?: CallerPriority;
  /** A permit was acquired already. It counts for the first attempt only. */
  hasPermit?: boolean;
  /** Aborts when no client waits any more. A queued call then leaves the queue. */
  callerSignal?: () => AbortSignal;
}

/** A complete HTTP answer. `containedKey`: it contained our key, which was removed from the text. */
export interface HttpResponse extends BodyText {
  kind: 'answered';
  status: number;
}

/**
 * There is no complete answer. `bytesSent` is false only if it is proved that no byte of the request was sent. `status` is
 * present if the status line arrived before the failure.
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

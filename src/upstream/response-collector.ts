import type { Dispatcher } from 'undici';
import { toError } from '../lib/to-error.ts';
import { codeOf } from './error-code.ts';
import type { HttpFailure } from './types.ts';
import type { BodyCollector, Headers } from './untrusted-body.ts';

/** An answer whose bytes have all arrived. */
export interface CollectedResponse {
  kind: 'answered';
  status: number;
  headers: Headers;
  body: BodyCollector | undefined;
}

interface CollectorOptions {
  openBody: (status: number) => BodyCollector;
  canSend: () => boolean;
  settle: (outcome: CollectedResponse | HttpFailure) => void;
  /** Called when undici is about to close the connection that it opened for this answer alone. */
  beforeReset: (() => void) | undefined;
}

/** Collects one answer. `#bytesSent` is set right before undici writes the request to a socket. */
export class ResponseCollector implements Dispatcher.DispatchHandler {
  readonly #openBody: (status: number) => BodyCollector;
  readonly #canSend: () => boolean;
  readonly #settle: (outcome: CollectedResponse | HttpFailure) => void;
  readonly #beforeReset: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #bytesSent = false;
  #settled = false;
  #status: number | undefined;
  #headers: Headers = {};
  #body: BodyCollector | undefined;

  constructor({ openBody, canSend, settle, beforeReset }: CollectorOptions) {
    this.#openBody = openBody;
    this.#canSend = canSend;
    this.#settle = settle;
    this.#beforeReset = beforeReset;
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    // The deadline passed while the request waited for a socket.
    if (this.#settled) return controller.abort(new Error('deadline passed before the request was written'));
    if (!this.#canSend()) return controller.abort(new Error('this process may not send any more'));
    this.#controller = controller;
    this.#bytesSent = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers) {
    this.#status = status;
    this.#headers = headers;
    this.#body = this.#openBody(status);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    if (this.#settled) return;
    try {
      if (this.#body?.add(chunk) !== 'enough') return;
      this.#complete();
      controller.abort(new Error('the answer says no more that counts'));
    } catch (thrown) {
      controller.abort(toError(thrown));
    }
  }

  onResponseEnd() {
    this.#complete();
    this.#beforeReset?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error) {
    this.#fail(cause, /TIMEOUT/.test(codeOf(cause)) && this.#bytesSent);
  }

  onDeadline() {
    this.#fail(new Error('the total deadline of the call passed'), true);
    this.#controller?.abort(new Error('deadline'));
  }

  #complete() {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle({ kind: 'answered', status: this.#status ?? 0, headers: this.#headers, body: this.#body });
  }

  #fail(cause: Error, timedOut: boolean) {
    if (this.#settled) return;
    this.#settled = true;
    this.#body?.drop();
    const status = this.#status;
    const head = status !== undefined && { status, headers: this.#headers };
    this.#settle({ kind: 'failed', bytesSent: this.#bytesSent, timedOut, cause, ...head });
  }
}

import type { Dispatcher } from 'undici';
import { codeOf } from './error-code.ts';
import type { Gathering, Headers } from './intake.ts';
import type { Failed } from './types.ts';

/** An answer whose bytes are all there. */
export interface Arrived {
  kind: 'answered';
  status: number;
  headers: Headers;
  gathering: Gathering | undefined;
}

/** Gathers one answer. `sent` turns true the moment undici begins to write the request to a socket. */
export class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #gather: (status: number) => Gathering;
  readonly #mayStart: () => boolean;
  readonly #settle: (outcome: Arrived | Failed) => void;
  readonly #beforeReset: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #sent = false;
  #settled = false;
  #status: number | undefined;
  #headers: Headers = {};
  #gathering: Gathering | undefined;

  /** `beforeReset`: called where undici is about to close the connection that it had for this answer alone. */
  constructor(
    gather: (status: number) => Gathering,
    mayStart: () => boolean,
    settle: (outcome: Arrived | Failed) => void,
    beforeReset: (() => void) | undefined,
  ) {
    this.#gather = gather;
    this.#mayStart = mayStart;
    this.#settle = settle;
    this.#beforeReset = beforeReset;
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    // Time was up while the request waited for its socket: it must not go out any more.
    if (this.#settled) return controller.abort(new Error('deadline passed before the request was written'));
    if (!this.#mayStart()) return controller.abort(new Error('this process may not send any more'));
    this.#controller = controller;
    this.#sent = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers) {
    this.#status = status;
    this.#headers = headers;
    this.#gathering = this.#gather(status);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    if (this.#settled) return;
    try {
      if (this.#gathering?.add(chunk) !== 'enough') return;
      this.#arrive();
      controller.abort(new Error('the answer says no more that counts'));
    } catch (thrown) {
      controller.abort(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  onResponseEnd() {
    this.#arrive();
    this.#beforeReset?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error) {
    this.#fail(cause, /TIMEOUT/.test(codeOf(cause)) && this.#sent);
  }

  expire() {
    this.#fail(new Error('the total deadline of the call passed'), true);
    this.#controller?.abort(new Error('deadline'));
  }

  #arrive() {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle({ kind: 'answered', status: this.#status ?? 0, headers: this.#headers, gathering: this.#gathering });
  }

  #fail(cause: Error, timedOut: boolean) {
    if (this.#settled) return;
    this.#settled = true;
    this.#gathering?.drop();
    const status = this.#status;
    const head = status !== undefined && { status, headers: this.#headers };
    this.#settle({ kind: 'failed', sent: this.#sent, timedOut, cause, ...head });
  }
}

/** The rest of an answer is not read. `code` is written to logs and metrics. */
export class BodyRejectedError extends Error {
  override readonly name = 'BodyRejectedError';
  readonly code: 'ANSWER_TOO_LONG' | 'ANSWERS_FULL' | 'KEY_ECHOED';

  constructor(code: BodyRejectedError['code']) {
    super(`the answer was not taken: ${code}`);
    this.code = code;
  }
}

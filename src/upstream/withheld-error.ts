/** `canSend` forbade the call right before its first byte. */
export class WithheldError extends Error {
  readonly code = 'WITHHELD';

  constructor() {
    super('the call was held back before its first byte');
  }
}

/** `canSend` forbade the call right before its first byte. */
export class WithheldError extends Error {
  readonly code = 'WITHHELD';

  constructor() {
    super('the call was held back before its first byte');
  }
}

/** Why a call must not be written, asked right before its first byte. Its deadline may have passed while it waited for a socket. */
export function refusalBeforeFirstByte(isLate: boolean, canSend: () => boolean): Error | undefined {
  if (isLate) return new Error('deadline passed before the request was written');
  return canSend() ? undefined : new WithheldError();
}

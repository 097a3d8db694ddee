/** The store cannot do its work now; `cause` says why. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** Proven that nothing was written. False: a commit whose acknowledgement was lost may exist. */
  readonly notCommitted: boolean;

  constructor(message: string, { notCommitted = false, ...options }: ErrorOptions & { notCommitted?: boolean } = {}) {
    super(message, options);
    this.notCommitted = notCommitted;
  }
}

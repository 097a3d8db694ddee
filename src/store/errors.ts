/** The store failed; `cause` is the reason. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** It is proven that nothing was written. False: a commit whose acknowledgement was lost may exist. */
  readonly notCommitted: boolean;

  constructor(message: string, { notCommitted = false, ...options }: ErrorOptions & { notCommitted?: boolean } = {}) {
    super(message, options);
    this.notCommitted = notCommitted;
  }
}

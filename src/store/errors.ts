/** The store cannot do its work now; the cause says why. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** It is proved that nothing stands of what was to be written; false: a commit may stand whose answer was lost. */
  readonly notCommitted: boolean;

  constructor(message: string, { notCommitted = false, ...options }: ErrorOptions & { notCommitted?: boolean } = {}) {
    super(message, options);
    this.notCommitted = notCommitted;
  }
}

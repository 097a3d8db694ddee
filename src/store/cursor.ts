/** Where a page ended: the sequence number of its last send, opaque so that nobody counts with it. */
export const cursorAfter = (sequence: number): string => Buffer.from(`s${sequence}`).toString('base64url');

export function sequenceOf(cursor: string): number {
  const sequence = /^s([1-9]\d{0,14})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1];
  if (sequence === undefined || cursorAfter(Number(sequence)) !== cursor) throw new RangeError('malformed cursor');
  return Number(sequence);
}

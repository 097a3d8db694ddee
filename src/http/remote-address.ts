/** A socket has none any more where it was destroyed. */
export interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
}

/**
 * Whom a connection counts for. An IPv4 address counts the same where it comes in mapped to IPv6; of IPv6 the first 64 bits,
 * because a single machine has all that follow them.
 */
export function remoteKey({ remoteAddress = 'unknown' }: RemoteEnd): string {
  if (remoteAddress.startsWith('::ffff:')) return remoteAddress.slice('::ffff:'.length);
  if (!remoteAddress.includes(':')) return remoteAddress;
  const [head = '', tail] = remoteAddress.split('::');
  const groups = head === '' ? [] : head.split(':');
  // What `::` stands for is zeros, as many as are missing to eight.
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':');
    while (groups.length + behind.length < 8) groups.push('0');
    groups.push(...behind);
  }
  return groups.slice(0, 4).join(':');
}

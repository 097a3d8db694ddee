/** A destroyed socket has no remote address. */
export interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
}

/**
 * The address that a connection is counted under. An IPv4 address counts the same in its IPv6-mapped form. Of an IPv6 address
 * the first 64 bits count, because a single machine owns all addresses below them.
 */
export function remoteKey({ remoteAddress = 'unknown' }: RemoteEnd): string {
  if (remoteAddress.startsWith('::ffff:')) return remoteAddress.slice('::ffff:'.length);
  if (!remoteAddress.includes(':')) return remoteAddress;
  const [head = '', tail] = remoteAddress.split('::');
  const groups = head === '' ? [] : head.split(':');
  // `::` stands for the zeros that are missing to eight groups.
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':');
    while (groups.length + behind.length < 8) groups.push('0');
    groups.push(...behind);
  }
  return groups.slice(0, 4).join(':');
}

import type { NewMessage } from '../store/message-store.ts';

/** The channel as it is recorded; the default is left out. */
export function recordedChannel(
  channel: string | undefined,
  byDefault: string | undefined,
): Pick<NewMessage, 'channel' | 'channelNamed'> {
  if (channel === undefined) return {};
  return { channel, ...(channel !== byDefault && { channelNamed: true }) };
}

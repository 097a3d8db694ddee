import { didYouMean, nearest } from '../lib/did-you-mean.ts';
import { eventGroups, eventTypes, typesNamed } from './event-types.ts';

/** `; did you mean x?`, or which there are. */
export const nearEvents = (pattern: string): string =>
  didYouMean(pattern, [...eventTypes, ...eventGroups, '*']) || sameGroup(pattern);

/** `message`, `message.` and `messages.delivered` mean something of the group. */
function sameGroup(pattern: string): string {
  const [noun = ''] = pattern.toLowerCase().split(/[.:*]/);
  const group = nearest(`${noun}.*`, eventGroups);
  if (group === undefined) return `; there is ${eventGroups.join(', ')} and *`;
  return `; there is ${[group, ...typesNamed(group)].join(', ')}`;
}

import { didYouMean, nearest } from '../lib/did-you-mean.ts';
import { eventGroups, eventTypes, typesNamed } from './event-types.ts';

/** Returns `; did you mean x?`, or the list of types. */
export const nearEvents = (pattern: string): string =>
  didYouMean(pattern, [...eventTypes, ...eventGroups, '*']) || sameGroup(pattern);

/** `message`, `message.` and `messages.delivered` suggest types of that group. */
function sameGroup(pattern: string): string {
  const [noun = ''] = pattern.toLowerCase().split(/[.:*]/);
  const group = nearest(`${noun}.*`, eventGroups);
  if (group === undefined) return `; there is ${eventGroups.join(', ')} and *`;
  return `; there is ${[group, ...typesNamed(group)].join(', ')}`;
}

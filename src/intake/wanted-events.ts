/** Events that WATI has to send. The plain twins of the `_v2` events are not needed, and do no harm. */
export const wantedEvents = [
  'message',
  'message_bsuid',
  'newContactMessageReceived_bsuid',
  'sessionMessageSent_v2',
  'templateMessageSent_v2',
  'sentMessageDELIVERED_v2',
  'sentMessageREAD_v2',
  'sentMessageREPLIED_v2',
  'templateMessageFailed',
  'sessionMessageFailed',
] as const;

/** Missing ones leave gaps. The `_bsuid` twins are for customers with a hidden number; not every workspace has them. */
const needed = wantedEvents.filter((name) => !name.endsWith('_bsuid'));

/** WATI has names of failures with and without `_v2`. */
const bare = (name: string): string => name.toLowerCase().replace(/(failed)_v2$/, '$1');

/** The needed events that are not ticked. */
export function missingEvents(ticked: readonly string[]): string[] {
  const has = new Set(ticked.map(bare));
  return needed.filter((name) => !has.has(bare(name)));
}

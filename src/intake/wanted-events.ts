/** Events that WATI has to post. Their plain twins (without `_v2`) may be ticked as well. */
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

/**
 * Without these, some states are not known. The `_bsuid` twins are for customers with a hidden number, and not every workspace
 * offers them.
 */
const needed = wantedEvents.filter((name) => !name.endsWith('_bsuid'));

/** WATI has names of failures with and without `_v2`; either will do. */
const bare = (name: string): string => name.toLowerCase().replace(/(failed)_v2$/, '$1');

/** The needed events that are not ticked in WATI. */
export function missingEvents(ticked: readonly string[]): string[] {
  const has = new Set(ticked.map(bare));
  return needed.filter((name) => !has.has(bare(name)));
}

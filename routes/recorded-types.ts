import { nearEvents } from '../src/callers/words.ts';
import { type Caller, eventsFor } from '../src/callers.ts';
import { typesNamed } from '../src/events/event-types.ts';
import { invalid, Problem } from '../src/problem.ts';

/** Whether any events are recorded for a caller. */
export const isRecorded = (caller: Caller): boolean => eventsFor(caller).length > 0;

/** Throws `events-not-recorded` where nothing is written down for a caller. */
export function assertRecorded(caller: Caller): void {
  if (isRecorded(caller)) return;
  const detail = `your operator has to list the types that you want in \`events\` of the entry \`${caller.name}\` in the callers file`;
  throw new Problem('events-not-recorded', detail);
}

/** Throws a 400 that names each pattern by which nothing can come: it names no type, or none that is recorded for the caller. */
export function assertTypes(caller: Caller, patterns: readonly string[], pointer: '/types' | '/query/types'): void {
  const recorded = eventsFor(caller);
  const errors = patterns.flatMap((pattern, at) => {
    const named = typesNamed(pattern);
    if (named.some((type) => recorded.includes(type))) return [];
    const unrecorded = 'is not recorded for you; ask your operator to list it in `events`';
    return [{ pointer: `${pointer}/${at}`, detail: named.length > 0 ? unrecorded : nameFault(pattern, pointer) }];
  });
  if (errors.length > 0) throw invalid(errors);
}

function nameFault(pattern: string, pointer: '/types' | '/query/types'): string {
  if (!/[,;|\s]/.test(pattern)) return `names no type of event${nearEvents(pattern)}`;
  const several =
    pointer === '/query/types' ? 'repeat `types` for several (`types=a&types=b`)' : 'give each as an item of its own';
  return `names no type of event; ${several}`;
}

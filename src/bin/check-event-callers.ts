import type { CallerEntry } from '../callers/entry.ts';
import { eventsFor } from '../callers.ts';
import type { Config } from '../config.ts';

/** What callers are given in vain: events that cannot arrive, and webhooks that are not set up. It is no fault of the file. */
export function withoutEvents(
  entries: readonly Pick<CallerEntry, 'name' | 'events' | 'scopes'>[],
  config: Pick<Config, 'INTAKE_PORT' | 'EVENTS_SIGNING_KEYS' | 'WEBHOOK_ALLOWED_HOSTS'>,
): string[] {
  const named = (found: typeof entries) => found.map(({ name }) => name).join(', ');
  const listening = entries.filter(({ events }) => eventsFor({ ...(events && { events }) }).length > 0);
  // `*` is given for other reasons.
  const posting = entries.filter(({ scopes }) => scopes.some((scope) => scope.startsWith('webhooks:')));
  const mute = posting.filter((entry) => !listening.includes(entry));
  const areOn = config.EVENTS_SIGNING_KEYS.length > 0 && !config.WEBHOOK_ALLOWED_HOSTS.isEmpty;
  return [
    ...(config.INTAKE_PORT === undefined && listening.length > 0
      ? [`${named(listening)}: \`events\` are listed, but nothing that WATI tells arrives without INTAKE_PORT`]
      : []),
    ...(!areOn && posting.length > 0
      ? [`${named(posting)}: scopes of webhooks, but EVENTS_SIGNING_KEY and WEBHOOK_ALLOWED_HOSTS do not set them up`]
      : []),
    ...(mute.length > 0 ? [`${named(mute)}: scopes of webhooks, but no \`events\`: nothing can be sent to it`] : []),
  ];
}

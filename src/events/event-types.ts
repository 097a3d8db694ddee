/** The types of events, and which caller can be told of each. A receiver passes over what it does not know. */
export const eventTypes = [
  'message.sent',
  'message.delivered',
  'message.read',
  'message.replied',
  'message.failed',
  'message.resolved',
  'message.accepted',
  'message.rejected',
  'message.not_sent',
  'message.unknown',
  'message.received',
  'message.clicked',
  'broadcast.finished',
  'template.changed',
  'account.changed',
  'contact.changed',
  'webhook_endpoint.failing',
  'webhook_endpoint.disabled',
] as const;
export type EventType = (typeof eventTypes)[number];

/** Patterns that name all types of one noun. */
export const eventGroups: readonly string[] = [
  ...new Set(eventTypes.map((type) => `${type.slice(0, type.indexOf('.'))}.*`)),
];

/** What a pattern of a callers file, a query or an endpoint names: `*`, `message.*` or a whole name; none: it names nothing. */
export function typesNamed(pattern: string): readonly EventType[] {
  if (pattern === '*') return eventTypes;
  if (!pattern.endsWith('.*')) return eventTypes.filter((type) => type === pattern);
  const group = pattern.slice(0, -1);
  return eventTypes.filter((type) => type.startsWith(group));
}

/** What all of these patterns name, each type once. */
export const typesOf = (patterns: readonly string[]): readonly EventType[] => {
  const named = new Set(patterns.flatMap(typesNamed));
  return eventTypes.filter((type) => named.has(type));
};

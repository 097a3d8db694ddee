/** Types of events, and which callers can get them. Receivers skip types that they do not know. */
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

/** Patterns that match all types of one noun. */
export const eventGroups: readonly string[] = [
  ...new Set(eventTypes.map((type) => `${type.slice(0, type.indexOf('.'))}.*`)),
];

/**
 * Returns the types that a pattern matches (`*`, `message.*` or a full name); none if it matches nothing. Patterns
 * occur in the callers file, queries and endpoints.
 */
export function typesNamed(pattern: string): readonly EventType[] {
  if (pattern === '*') return eventTypes;
  if (!pattern.endsWith('.*')) return eventTypes.filter((type) => type === pattern);
  const group = pattern.slice(0, -1);
  return eventTypes.filter((type) => type.startsWith(group));
}

/** Returns the types that any of the patterns matches, each once. */
export const typesOf = (patterns: readonly string[]): readonly EventType[] => {
  const named = new Set(patterns.flatMap(typesNamed));
  return eventTypes.filter((type) => named.has(type));
};

import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';

export const scopes = [
  'contacts:read',
  'contacts:write',
  'conversations:read',
  'conversations:write',
  'messages:read',
  'messages:send',
  'messages:urgent',
  'events:read',
  'webhooks:read',
  'webhooks:write',
  'broadcasts:send',
  'templates:read',
  'media:read',
  'connections:read',
  'connections:write',
  'native:call',
  'metrics:read',
  'operations:read',
  'operations:write',
  'operations:reveal',
] as const;
export type Scope = (typeof scopes)[number];

const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Name = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' });
const Quota = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });

/** One key of a caller. `notAfter`: a time with its zone, or a day, which is valid to its end in UTC. */
export const KeyEntry = Type.Object(
  {
    sha256: Sha256,
    notAfter: Type.Optional(Type.String()),
    label: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  { additionalProperties: false },
);
export type KeyEntry = Static<typeof KeyEntry>;

/** An entry of the callers file. `keySha256` is the older form, for keys that have only a hash. */
export const CallerEntry = Type.Object(
  {
    id: Type.Optional(Name),
    name: Name,
    keySha256: Type.Optional(Type.Array(Sha256)),
    keys: Type.Optional(Type.Array(KeyEntry)),
    scopes: Type.Array(Type.Enum([...scopes, '*'])),
    connections: Type.Array(Type.String({ minLength: 1 })),
    countries: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Z]{2}$' }))),
    recipients: Type.Optional(
      Type.Array(
        Type.String({
          pattern:
            '^(\\+?[1-9][0-9]{6,14}|\\+?[1-9][0-9]{0,13}\\*|[0-9a-fA-F]{24}|[A-Z]{2}\\.(ENT\\.)?[A-Za-z0-9]{1,128})$',
        }),
        { maxItems: 10_000 },
      ),
    ),
    templates: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 512 }))),
    messagesPerHour: Type.Optional(Quota),
    messagesPerDay: Type.Optional(Quota),
    addresses: Type.Optional(Type.Array(Type.String())),
    events: Type.Optional(Type.Array(Type.String())),
    inbound: Type.Optional(Type.Enum(['own', 'unrouted', 'all'])),
    weight: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100 })),
    ratePerSecond: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100_000 })),
  },
  { additionalProperties: false },
);
export type CallerEntry = Static<typeof CallerEntry>;

/** The keys of an entry, in whichever form they are written. */
export const keysOf = ({ keySha256 = [], keys = [] }: Pick<CallerEntry, 'keySha256' | 'keys'>): readonly KeyEntry[] => [
  ...keySha256.map((sha256) => ({ sha256 })),
  ...keys,
];

/** Names a key in logs and commands: long enough to distinguish the keys of a file, too short to guess one. */
export const keyIdOf = (sha256: string): string => sha256.slice(0, 8);

const day = /^\d{4}-\d\d-\d\d$/;
const dayMs = 24 * 60 * 60 * 1000;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** The last millisecond at which a key is valid; NaN: `notAfter` cannot be parsed. */
export function lastMsOf(notAfter: string): number {
  if (!isDay(notAfter.slice(0, 10))) return Number.NaN;
  if (day.test(notAfter)) return Date.parse(`${notAfter}T00:00:00Z`) + dayMs - 1;
  return time.test(notAfter) ? Date.parse(notAfter) : Number.NaN;
}

/** Date.parse reads 30 February as 2 March, which would extend the validity of a key. */
function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

export const failureKinds = [
  'recipient',
  'window',
  'held-back',
  'opted-out',
  'template',
  'account',
  'rate',
  'media',
  'other',
] as const;
export type FailureKind = (typeof failureKinds)[number];

/** Meta's error codes. `held-back`: Meta limits marketing messages per person; the same message may be delivered later. */
const kinds: readonly (readonly [FailureKind, readonly number[]])[] = [
  ['recipient', [131021, 131026, 131030, 131051]],
  ['window', [131047]],
  ['held-back', [130472, 131049]],
  ['opted-out', [131050]],
  ['account', [3, 10, 190, 368, 130497, 131005, 131031, 131037, 131042, 131045, 131057]],
  ['rate', [4, 80007, 130429, 131048, 131056, 133016]],
  ['media', [131052, 131053]],
];

const kindOf = new Map(kinds.flatMap(([kind, codes]) => codes.map((code) => [String(code), kind] as const)));

/** Who can fix the cause of a failed delivery. */
export function failureKind(code: string): FailureKind {
  const known = kindOf.get(code);
  if (known) return known;
  if (/^132\d{3}$/.test(code)) return 'template';
  return /^133\d{3}$/.test(code) ? 'account' : 'other';
}

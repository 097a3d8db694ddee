/**
 * The patterns that are matched against foreign text: from the upstream, and from callers beyond the limits of a schema. Each
 * has an input that is the worst for it; a test matches 64 KB of that. Patterns in other files are anchored, or short words
 * without loops.
 */

export interface ForeignPattern {
  readonly pattern: RegExp;
  /** A text whose repetition makes the pattern take longest. */
  readonly worst: string;
}

const foreign = <Name extends string>(patterns: Record<Name, ForeignPattern>) => patterns;

export const foreignPatterns = foreign({
  /** `{{name}}` in a template. The loop excludes braces, so it never scans the same text twice. */
  variable: { pattern: /\{\{([^{}]{1,256})\}\}/g, worst: '{{a                ' },
  blanks: { pattern: /\s+/g, worst: '\u00a0x ' },
  /** Control characters, direction marks, characters without width, and unpaired surrogates. */
  unprintable: { pattern: /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu, worst: '\u200b' },
  /** Pieces of a reason, which are examined one by one. */
  piece: { pattern: /[^\s"'`,;()[\]{}<>|]+/g, worst: 'a-' },
  number: { pattern: /\p{Nd}(?:[^\p{L}\p{Nd}]{0,4}\p{Nd}){6,}/gu, worst: '1....' },
  /** The same for five or more digits, in texts that callers chose. */
  callersNumber: { pattern: /\p{Nd}(?:[^\p{L}\p{Nd}]{0,4}\p{Nd}){4,}/gu, worst: '1....' },
  notDigit: { pattern: /\P{Nd}/gu, worst: 'a' },
  sendsTemplate: { pattern: /broadcast|template/i, worst: 'broadcastemplat' },
  unknownContact: { pattern: /can'?t find contact|contact not found/i, worst: "can't find contac" },
  alreadyExists: {
    pattern:
      /\balready (?:been )?(?:exist|add|regist|creat|present|taken|in use)|\bexists already\b|\bduplicate (?:contact|number|phone|key|entry)/i,
    worst: 'already been exis',
  },
  wantsChannel: {
    pattern:
      /channel.{0,40}(?:required|empty|missing|null|specif)|(?:specif|name|choose|provide|select|missing|required).{0,40}channel|(?:several|multiple|more than one) (?:\w{1,20} )?(?:conversations|channels|numbers)/i,
    worst: 'name channel ',
  },
  connection: { pattern: /connection/i, worst: 'connectio' },
  expired: { pattern: /expired/i, worst: 'expire' },
  optedOut: { pattern: /opted?[ -]?out/i, worst: 'opted ou' },
  recipient: {
    pattern: /can'?t find contact|contact not found|not (a )?(valid )?whats\s?app|invalid (whats\s?app )?number/i,
    worst: 'invalid whatsapp numbe',
  },
  parameters: { pattern: /typos or blank text|parameter/i, worst: 'typos or blank tex' },
  noTemplate: { pattern: /no (such )?template/i, worst: 'no such templat' },
  template: { pattern: /template/i, worst: 'templat' },
  templateFault: {
    pattern: /not (found|approved|exist)|n't exist|unknown|rejected|paused|disabled/i,
    worst: "n't exis",
  },
});

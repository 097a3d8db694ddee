/** Why WATI, the gateway or the edge in front of them refused a request. */
export type Refusal =
  | 'window-closed'
  | 'recipient'
  | 'opted-out'
  | 'template-parameters'
  | 'template'
  | 'credentials'
  | 'account'
  | 'quota'
  | 'edge'
  | 'route'
  | 'bad-request'
  | 'redirect'
  | 'other';

/** Kind of send. The same sentence means different things for a text and for a template. */
export type SendFamily = 'session' | 'template';

interface KnownSentence {
  readonly says: RegExp;
  readonly refusal: Refusal;
  /** The kind of send that the sentence applies to; absent: both. */
  readonly family?: SendFamily;
}

/** Longer texts are cut before they are matched: the known sentences stand at the beginning. */
const lengthMax = 500;

/** A limit per second or minute is a rate limit, not a quota: it ends soon. */
const isPace = /\b(?:per|a|each) (?:sec(?:ond)?|min(?:ute)?)\b|\/ ?s(?:ec)?\b/i;

const quotaWords: readonly RegExp[] = [
  /\b(?:quota|usage limit) (?:\w+ ){0,3}?(?:exceeded|reached|spent|exhausted|used up)\b/i,
  /\b(?:exceeded|exhausted|reached|spent|used up|out of) (?:\w+ ){0,5}?(?:quota|usage limit)\b/i,
  /\b(?:hourly|daily|weekly|monthly|yearly|annual) (?:\w+ ){0,3}?(?:limit|quota|allowance) (?:\w+ ){0,3}?(?:exceeded|reached|spent|exhausted|used up|hit)\b/i,
  /\b(?:exceeded|exhausted|reached|spent|used up|hit) (?:\w+ ){0,2}?(?:hourly|daily|weekly|monthly|yearly|annual) (?:\w+ ){0,3}?(?:limit|quota|allowance)\b/i,
];

/**
 * Sentences and codes that were seen in answers. A single word such as "expired" decides nothing, because trials, tokens and
 * connections expire as well, and callers act on the type of a refusal. The first match counts.
 */
const sentences: readonly KnownSentence[] = [
  // An exhausted plan or balance is not about the recipient, template or window.
  {
    says: /\binsufficient (?:\w+ ){0,3}?(?:credits?|balance|funds)\b|\b(?:out of|no|not enough) credits?\b/i,
    refusal: 'account',
  },
  ...quotaWords.map((says) => ({ says, refusal: 'quota' as const })),
  {
    says: /\b(?:your|the) (?:free )?(?:trial|subscription|plan|account) (?:has |is |was )?(?:been )?(?:expired|ended|suspended|cancell?ed|over)\b/i,
    refusal: 'account',
  },
  {
    says: /\bupgrade (?:your|the) (?:\w+ )?plan\b|\bnot (?:available|included|supported) (?:in|on|by) (?:your|this|the) (?:\w+ )?plan\b/i,
    refusal: 'account',
  },
  { says: /\(?#?\b(?:131042|131031|131045|133010)\b/, refusal: 'account' },

  {
    says: /\bticket (?:has |is |was )?(?:already )?(?:been )?(?:expired|closed)\b/i,
    refusal: 'window-closed',
  },
  {
    says: /\b(?:session|conversation)(?: window)? (?:has |is |was )?(?:been )?(?:expired|closed)\b/i,
    refusal: 'window-closed',
  },
  {
    says: /\b24[- ]?h(?:ou)?rs?\b.{0,40}\b(?:window|passed|session)\b|\bre-?engagement message\b/i,
    refusal: 'window-closed',
  },
  { says: /\b131047\b/, refusal: 'window-closed' },

  { says: /\bopted?[ -]?out\b/i, refusal: 'opted-out' },

  {
    says: /\bcan(?:'|’|no)?t find (?:the )?contact\b|\b(?:contact|recipient) (?:was |is )?not found\b|\bno such contact\b/i,
    refusal: 'recipient',
  },
  {
    says: /\bnot (?:a |an )?(?:valid )?whats ?app (?:number|user|account)\b|\bnot on whats ?app\b/i,
    refusal: 'recipient',
  },
  {
    says: /\binvalid (?:whats ?app |phone |mobile |contact )?number\b|\b(?:phone|whats ?app) ?number is (?:not valid|invalid)\b/i,
    refusal: 'recipient',
  },
  { says: /\b(?:131026|131021)\b/, refusal: 'recipient' },

  { says: /\bcannot have typos or blank text\b/i, refusal: 'template-parameters' },
  {
    says: /\b(?:missing|invalid|unknown|blank|empty|required|extra)\b(?: \w+){0,3}? param(?:eter)?s?\b/i,
    refusal: 'template-parameters',
    family: 'template',
  },
  {
    says: /\bparam(?:eter)?s?\b(?: \w+){0,4}? (?:missing|invalid|unknown|blank|empty|required|not valid|mismatch)\b/i,
    refusal: 'template-parameters',
    family: 'template',
  },
  { says: /\b(?:132000|132005|132007|132012|131008|131009)\b/, refusal: 'template-parameters', family: 'template' },

  {
    says: /\btemplate\b[^.]{0,80}\b(?:not (?:found|approved)|(?:does not|doesn't|doesn’t) exist|unknown|rejected|paused|disabled|deleted)\b/i,
    refusal: 'template',
  },
  { says: /\bno (?:such )?template\b/i, refusal: 'template' },
  { says: /\b(?:132001|132015|132016)\b/, refusal: 'template' },

  {
    says: /\b(?:invalid|expired|missing|revoked) (?:access |api |auth(?:entication|orization)? )?(?:token|key|credentials?)\b/i,
    refusal: 'credentials',
  },
  {
    says: /\b(?:access |api |bearer )?(?:token|key) (?:is |has |was )?(?:been )?(?:invalid|expired|revoked|missing|not valid)\b|\bunauthori[sz]ed\b/i,
    refusal: 'credentials',
  },
  { says: /\bno http resource was found\b/i, refusal: 'route' },
];

/** The refusal that these words mean for a send of this kind; `undefined`: the words are not known. */
export function refusalIn(words: string, family: SendFamily): Refusal | undefined {
  const cut = words.slice(0, lengthMax);
  const isQuota = !isPace.test(cut);
  return sentences.find(
    ({ says, family: only, refusal }) =>
      (only === undefined || only === family) && (refusal !== 'quota' || isQuota) && says.test(cut),
  )?.refusal;
}

/** Whether these words mean a refusal for any kind of send. */
export const isKnownRefusal = (words: string): boolean =>
  refusalIn(words, 'session') !== undefined || refusalIn(words, 'template') !== undefined;

/** Matched only at the beginning: later it may be a word of the caller's that the answer quotes. */
export const saysConnectionExpired = (words: string): boolean =>
  /^(?:the |your )?connection (?:has |is |was )?(?:been )?expired\b/i.test(words);

/** Words that add nothing to the status beside them. */
export const isBareDenial = (words: string): boolean =>
  /^(no reason was given|forbidden\.?|access denied\.?|permission denied\.?)$/i.test(words);

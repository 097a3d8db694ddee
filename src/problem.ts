import { counted } from './lib/counted.ts';
import { type ProblemSlug, problemTypes } from './problem-types.ts';

/** One fault: `pointer` is an RFC 6901 JSON pointer into the request, such as `/to` or `/query/page`. */
export interface FieldError {
  pointer: string;
  detail: string;
  /** For CSVs: the data row from 1 (0: the header), and the line of the file where it begins. */
  row?: number;
  line?: number;
}

export interface ProblemExtras {
  /** The outcome of the send that failed with this problem. */
  outcome?: 'rejected' | 'not_sent' | 'unknown';
  retryable?: boolean;
  errors?: FieldError[];
  /** The upstream's error, without keys and host names. */
  upstream?: { status?: number; detail?: string };
  /** Seconds; becomes the Retry-After header. */
  retryAfterS?: number;
  headers?: Record<string, string>;
  cause?: unknown;
}

/**
 * A response that is not a success: thrown anywhere, and answered as `application/problem+json` (RFC 9457) by
 * plugins/problems.ts. The caller reads `detail`, so it contains no host, no key and no message text.
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly slug: ProblemSlug;
  readonly status: number;
  readonly extras: ProblemExtras;

  constructor(slug: ProblemSlug, detail: string, extras: ProblemExtras = {}) {
    // A problem is a response, not a bug. Its stack is never read, and collecting it would cost a tenth of the CPU in a flood
    // of 429s.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(detail, { cause: extras.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.slug = slug;
    this.status = problemTypes[slug].status;
    this.extras = extras;
  }

  get retryable(): boolean {
    return this.extras.retryable ?? problemTypes[this.slug].retryable;
  }
}

/** A request that breaks the rules of its operation, with every fault and its position. */
export const invalid = (errors: FieldError[]): Problem =>
  new Problem('validation-failed', `${counted(errors.length, 'fault')} in the request`, {
    errors,
  });

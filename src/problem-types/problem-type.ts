/** What a problem type means. `repeat` says in words whether the same request may be repeated. */
export interface ProblemType {
  status: number;
  title: string;
  retryable: boolean;
  meaning: string;
  /** The usual cause. */
  cause: string;
  remedy: string;
  repeat: string;
}

export const never = 'No. The same request will fail again until it is changed.';
export const later = 'Yes, after the time that Retry-After names.';
export const safe = 'Yes. Nothing was sent.';

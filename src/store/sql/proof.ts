const IS_PROVED = "sends.status = 'sending' AND sends.proof_json IS NOT NULL";

/** Values for the columns that the end of an attempt writes, as SQL. */
export interface AttemptEnd {
  status: string;
  code: string;
  detail: string;
  verdict: string;
  call: string;
  endedAt: string;
  nextLookAt: string;
  lostCall: string;
}

/**
 * SQL that writes the end of an attempt: the given values, or `accepted` if a webhook has proved meanwhile that the message was
 * sent. `except`: condition under which the given values are written all the same, because they agree with the proof.
 */
export function endUnlessProved(end: AttemptEnd, now: string, except = 'FALSE'): string {
  const unless = (column: string, proved: string, otherwise: string): string =>
    `${column} = CASE WHEN ${IS_PROVED} AND NOT (${except}) THEN ${proved} ELSE ${otherwise} END`;
  return [
    unless('status', "'accepted'", end.status),
    unless('failure_code', 'NULL', end.code),
    unless('failure_detail', 'NULL', end.detail),
    unless('verdict_json', 'sends.proof_json', end.verdict),
    unless('call_json', 'NULL', end.call),
    unless('ended_at', now, end.endedAt),
    unless('next_look_at', 'NULL', end.nextLookAt),
    unless('lost_call', 'NULL', end.lostCall),
  ].join(', ');
}

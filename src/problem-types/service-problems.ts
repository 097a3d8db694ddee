import { later, never, type ProblemType, safe } from './problem-type.ts';

/** Problems of the upstream, the store or the service itself. */
export const serviceProblems = {
  'upstream-rejected': {
    status: 422,
    title: 'WATI refused',
    retryable: false,
    meaning: 'WATI refused for a reason of its own, quoted in `upstream.detail`. Nothing was sent.',
    cause: 'A rule of WhatsApp or of the WATI account that this service does not know.',
    remedy: 'Act on the reason that WATI gives.',
    repeat: never,
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    meaning:
      'Your own limit, your share of what all callers have, or the shared limit of the upstream, is spent for now. Nothing was sent.',
    cause: 'A loop without a pause, or a burst; many messages belong into a broadcast.',
    remedy: 'Slow down, and repeat after Retry-After.',
    repeat: later,
  },
  internal: {
    status: 500,
    title: 'A fault in wati-bff',
    retryable: false,
    meaning: 'Something went wrong inside this service. It is logged under the requestId.',
    cause: 'A bug.',
    remedy: 'Give the requestId to your operator.',
    repeat: 'A read, yes. A message only with the same Idempotency-Key.',
  },
  'quota-spent': {
    status: 429,
    title: 'A quota is spent',
    retryable: true,
    meaning:
      'Your entry allows so many messages an hour or a day, and this one would be more; or the calls that the service may make to WATI in a day are spent, for reads a little sooner; or WATI says that the account has spent its own quota, quoted in `upstream.detail`. Nothing was sent.',
    cause: 'A loop that sends, a larger campaign than was agreed, or a quota that is too small.',
    remedy:
      'Wait until Retry-After; ask your operator for a larger `messagesPerHour`, `messagesPerDay` or `UPSTREAM_CALLS_PER_DAY`, or for a larger plan of WATI; the detail says which.',
    repeat: later,
  },
  'upstream-invalid': {
    status: 502,
    title: 'The answer of WATI cannot be understood',
    retryable: false,
    meaning: 'The upstream answered something that is neither a success nor a failure known to this service.',
    cause:
      'WATI or the gateway changed an answer, something in between put a page of its own there, or a page of a list is too long.',
    remedy: 'Ask for a smaller `pageSize` where the detail says so; else give the requestId to your operator.',
    repeat: 'A read, yes. A message that ended like this was not taken by WATI if `outcome` is `rejected`.',
  },
  'upstream-unauthorized': {
    status: 502,
    title: 'Maton or WATI refuses the key of this service',
    retryable: false,
    meaning: 'The Maton key, or the WATI token behind the connection, is refused; the detail says which side.',
    cause: 'The Maton key was changed or revoked, or the WATI account was disconnected.',
    remedy: 'An operator must renew the key, or authorize the connection again.',
    repeat: 'Yes, once the credentials are mended; a message under a new Idempotency-Key. Nothing was sent.',
  },
  'upstream-unavailable': {
    status: 503,
    title: 'Maton or WATI cannot be reached now',
    retryable: true,
    meaning:
      'The gateway refused, dropped or failed the call, also on its retries. With `outcome: "not_sent"` it is certain that nothing was sent.',
    cause: 'An outage or a restart of Maton or WATI, or a network that is down.',
    remedy: 'Wait, and repeat after Retry-After.',
    repeat: 'Yes, after the time that Retry-After names; a message that was `not_sent` under a new Idempotency-Key.',
  },
  'store-unavailable': {
    status: 503,
    title: 'The records cannot be read or written now',
    retryable: true,
    meaning:
      'What was asked of the records was not done. A message that cannot be recorded is not sent; only with `outcome: "unknown"` it may have been recorded, and is sent then.',
    cause: 'A full disk, or a database that is down.',
    remedy: 'Repeat after Retry-After; operators look at the disk or database.',
    repeat: 'Yes; with `outcome: "unknown"` only under the same Idempotency-Key.',
  },
  'sending-stopped': {
    status: 503,
    title: 'An operator has stopped sending',
    retryable: true,
    meaning:
      'Sending is stopped for everybody, for your key or for this connection. Nothing was recorded and nothing was sent.',
    cause: 'An operator looks into an incident.',
    remedy: 'Ask your operator; what was queued before waits, and goes on when sending is released.',
    repeat: later,
  },
  overloaded: {
    status: 503,
    title: 'The service is full just now',
    retryable: true,
    meaning:
      'What all callers share (uploads, imports, downloads, event streams, bytes of bodies, requests) is taken for now. Nothing was sent.',
    cause: 'Many callers at once, or slow ones that keep what they have.',
    remedy: 'Repeat after Retry-After; operators see who holds what in `wati_bff_pool_used`.',
    repeat: later,
  },
  'shutting-down': {
    status: 503,
    title: 'This instance is going down',
    retryable: true,
    meaning: 'The instance no longer takes requests. Nothing was sent.',
    cause: 'A deployment or a restart.',
    remedy: 'Repeat at once: another instance takes it.',
    repeat: safe,
  },
  'upstream-timeout': {
    status: 504,
    title: 'Maton or WATI did not answer in time',
    retryable: true,
    meaning: 'The call was made and its answer did not come within the deadline.',
    cause: 'WATI is slow just now, or the deadline (`Prefer: wait=N`) was short.',
    remedy: 'Repeat the read later.',
    repeat: 'A read, yes.',
  },
} as const satisfies Record<string, ProblemType>;

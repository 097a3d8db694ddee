/** What a problem type means. `repeat` says in words whether the same request may be sent again. */
interface ProblemType {
  status: number;
  title: string;
  retryable: boolean;
  meaning: string;
  /** What is behind it most of the time. */
  cause: string;
  remedy: string;
  repeat: string;
}

const never = 'No. The same request will fail again until it is changed.';
const later = 'Yes, after the time that Retry-After names.';
const safe = 'Yes. Nothing was sent.';

/** Every problem type of the API (RFC 9457). The key is the last part of `type`: `/problems/<slug>`. */
export const problemTypes = {
  'malformed-request': {
    status: 400,
    title: 'The request cannot be read',
    retryable: false,
    meaning: 'The HTTP message or its body is not well formed: broken JSON, a cut body, a broken multipart frame.',
    cause: 'A body cut off or built by hand, a wrong quote in a shell, a proxy that changes requests.',
    remedy: 'Look at the detail, then at what your HTTP client really sends (curl -v shows it).',
    repeat: never,
  },
  'validation-failed': {
    status: 400,
    title: 'The request breaks the rules of this operation',
    retryable: false,
    meaning: 'A parameter, header or property is missing, unknown, of the wrong type or outside its limits.',
    cause: 'A misspelt property, a number where a string belongs, a phone number without its country code.',
    remedy: 'Each entry of `errors` names the place (`pointer`) and what is wrong there. Nothing was sent.',
    repeat: never,
  },
  unauthorized: {
    status: 401,
    title: 'A valid key is needed',
    retryable: false,
    meaning: 'The request carries no key, or one that this service does not know.',
    cause: 'The header is missing, the key was pasted with a space, or it belongs to another environment.',
    remedy: 'Send `Authorization: Bearer <key>`. Your operator makes keys with `npm run client-key`.',
    repeat: never,
  },
  forbidden: {
    status: 403,
    title: 'Your key does not allow this',
    retryable: false,
    meaning: 'The key is known, but lacks the scope, or may not use the connection or native path that was named.',
    cause: 'The key was made without this scope, or for other connections.',
    remedy: 'Ask your operator for the scope or connection that the detail names.',
    repeat: never,
  },
  'sending-forbidden': {
    status: 403,
    title: 'Your key may not send this',
    retryable: false,
    meaning:
      'The entry of your key narrows to whom, with which template or for which country it may send. Nothing was sent.',
    cause: 'A key for staging that may write to test numbers alone, or one for a single template.',
    remedy: 'Ask your operator to widen `recipients`, `templates` or `countries` of your entry in the callers file.',
    repeat: never,
  },
  'not-found': {
    status: 404,
    title: 'There is no such thing',
    retryable: false,
    meaning: 'The path, or the contact, template, file, connection or message that it names, does not exist for you.',
    cause: 'A misspelt path or name, an id of another caller, a record older than its retention.',
    remedy: 'Check the spelling; `/docs` lists every path.',
    repeat: never,
  },
  'method-not-allowed': {
    status: 405,
    title: 'This path does not take that method',
    retryable: false,
    meaning: 'The path exists, with other methods.',
    cause: 'A GET where a POST belongs, or a redirect that turned one into the other.',
    remedy: 'Use one of the methods that the `Allow` header lists.',
    repeat: never,
  },
  'connection-ambiguous': {
    status: 409,
    title: 'Several connections, and none was chosen',
    retryable: false,
    meaning: 'More than one WATI account could be meant. The service does not guess whose customers to write to.',
    cause:
      'A second WATI account was connected, or another one took the place of the one that was used before, and the operator set no `MATON_CONNECTION_ID`.',
    remedy: 'Name one with the header `Maton-Connection`; `GET /v1/connections` lists yours.',
    repeat: never,
  },
  'connection-unusable': {
    status: 409,
    title: 'The connection cannot be used',
    retryable: false,
    meaning:
      'The connection is unknown to Maton, not ACTIVE, or there is none at all. Nothing was sent; where Maton does not list it, nothing was recorded either.',
    cause: 'The authorization was never finished, was withdrawn, or the id is misspelt.',
    remedy: 'Create one with `POST /v1/connections`, open its `authorizationUrl`, and wait until it is active.',
    repeat: 'Yes, once the connection is active.',
  },
  'session-window-closed': {
    status: 409,
    title: 'The 24-hour window of this customer is closed',
    retryable: false,
    meaning: 'WhatsApp takes free text, files, buttons and lists only within 24 hours of the last customer message.',
    cause: 'The customer last wrote more than 24 hours ago, or never did.',
    remedy: 'Send a template message (`POST /v1/messages/template`), or wait until the customer writes.',
    repeat: 'No, not before the customer has written again.',
  },
  'idempotency-in-progress': {
    status: 409,
    title: 'The first request with this key is still running',
    retryable: true,
    meaning: 'A send with the same Idempotency-Key has not ended. It was not sent again.',
    cause: 'A client that repeats after a time-out of its own, shorter than that of the send.',
    remedy: 'Ask again after Retry-After with the same key: you get the answer of the first.',
    repeat: later,
  },
  'message-not-resendable': {
    status: 409,
    title: 'This message cannot be sent again',
    retryable: false,
    meaning:
      'Only messages that are `unknown` or `not_sent` can be sent again, once each, and no files: their bytes are gone.',
    cause: 'It was accepted or rejected, is still on its way, was sent again before, or was a file.',
    remedy: 'Look at the message with `GET /v1/messages/{id}`; upload a file again as a new message.',
    repeat: never,
  },
  'broadcast-over': {
    status: 409,
    title: 'The broadcast has come to its end',
    retryable: false,
    meaning: 'It is done or cancelled, and neither can be paused, resumed or cancelled any more.',
    cause: 'The last recipient was done before your request came.',
    remedy: 'Read it with `GET /v1/broadcasts/{id}`; to reach those who were left out, start another one.',
    repeat: never,
  },
  'payload-too-large': {
    status: 413,
    title: 'The body is too large',
    retryable: false,
    meaning: 'The body, or the file in it, is over the limit that the detail names.',
    cause: 'A large file, or many recipients in one request.',
    remedy:
      'Send less. JSON: 64 KiB, recipients of a broadcast 8 MiB, and more of them as CSV by `POST /v1/broadcasts/import`. Images 5 MB, audio and video 16 MB, documents 100 MB.',
    repeat: never,
  },
  'unsupported-media-type': {
    status: 415,
    title: 'This content type is not taken here',
    retryable: false,
    meaning: 'The Content-Type of the request or of its file part is not one that this operation takes.',
    cause:
      'A missing `Content-Type: application/json`, or a file of a type that WhatsApp does not take, or of another than it is declared as.',
    remedy:
      'Send the content type that the OpenAPI document names for the operation; for a file, `detail` says what it was taken for and what would be taken.',
    repeat: never,
  },
  'idempotency-mismatch': {
    status: 422,
    title: 'This key was used for another request',
    retryable: false,
    meaning: 'The Idempotency-Key belongs to a request with other content.',
    cause:
      'A key made from something that is not unique to the message, or a body with a time or a random value in it.',
    remedy: 'Make a new key for each new message; repeat a key only with the very same request.',
    repeat: never,
  },
  'template-unknown': {
    status: 422,
    title: 'This template cannot be sent',
    retryable: false,
    meaning: 'WATI has no template of that name, or it is not approved; the detail says which. Nothing was sent.',
    cause: 'A misspelt name, a template of another WATI account, one that WhatsApp still reviews or refused.',
    remedy: '`GET /v1/templates?status=approved` lists those that can be sent.',
    repeat: never,
  },
  'template-parameters-invalid': {
    status: 422,
    title: 'The parameters do not fit the template',
    retryable: false,
    meaning:
      'A parameter is missing, blank, superfluous or ill-formed, or makes a text of the template too long. Nothing was sent.',
    cause: 'A misspelt parameter, an empty value, a template that was changed since.',
    remedy: 'Each entry of `errors` names one; `POST /v1/templates/{name}/preview` tries them without sending.',
    repeat: never,
  },
  'recipient-invalid': {
    status: 422,
    title: 'This recipient cannot be reached',
    retryable: false,
    meaning: 'The number is not on WhatsApp, or WATI knows no such contact. Nothing was sent.',
    cause: 'A landline, a digit too many or too few, a customer who opted out or never wrote.',
    remedy: 'Check the number with its country code. A contact that never wrote can only get a template.',
    repeat: never,
  },
  'recipient-opted-out': {
    status: 422,
    title: 'The customer has opted out',
    retryable: false,
    meaning:
      'The customer does not want messages of this kind any more, and WATI refuses to send one. Nothing was sent.',
    cause: 'The customer tapped "Stop" in WhatsApp, or was opted out in WATI.',
    remedy: 'Take the number out of your list. Only the customer can opt in again.',
    repeat: never,
  },
  'csv-invalid': {
    status: 422,
    title: 'The CSV has faults',
    retryable: false,
    meaning: 'At least one row breaks a rule. Nothing was sent to anybody.',
    cause: 'A number without its country code, a blank cell, a number that stands twice, a file that is not UTF-8.',
    remedy: 'Each entry of `errors` names row and column. Mend them all and send the file again.',
    repeat: never,
  },
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
    repeat: 'A read, yes. A send only with the same Idempotency-Key.',
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
    repeat: 'A read, yes. A send that ended like this was not taken by WATI if `outcome` is `rejected`.',
  },
  'upstream-unauthorized': {
    status: 502,
    title: 'The upstream refuses our credentials',
    retryable: false,
    meaning: 'The Maton key, or the WATI token behind the connection, is refused; the detail says which side.',
    cause: 'The Maton key was changed or revoked, or the WATI account was disconnected.',
    remedy: 'An operator must renew the key, or authorize the connection again.',
    repeat: 'Yes, once the credentials are mended; a send under a new Idempotency-Key. Nothing was sent.',
  },
  'upstream-unavailable': {
    status: 503,
    title: 'The upstream cannot be reached now',
    retryable: true,
    meaning:
      'The gateway refused, dropped or failed the call, also on its retries. With `outcome: "not_sent"` it is certain that nothing was sent.',
    cause: 'An outage or a restart of Maton or WATI, or a network that is down.',
    remedy: 'Wait, and repeat after Retry-After.',
    repeat: 'Yes, after the time that Retry-After names; a send that was `not_sent` under a new Idempotency-Key.',
  },
  'store-unavailable': {
    status: 503,
    title: 'The send cannot be recorded now',
    retryable: true,
    meaning:
      'A send that cannot be recorded is not made: nothing was sent. Only with `outcome: "unknown"` it may have been recorded, and is sent then.',
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
    title: 'The upstream did not answer in time',
    retryable: true,
    meaning: 'The call was made and its answer did not come within the deadline.',
    cause: 'WATI is slow just now, or the deadline (`Prefer: wait=N`) was short.',
    remedy: 'Repeat the read later.',
    repeat: 'A read, yes.',
  },
} as const satisfies Record<string, ProblemType>;

export type ProblemSlug = keyof typeof problemTypes;

import { later, never, type ProblemType } from './problem-type.ts';

/** Problems of a message, broadcast or file that cannot be sent, in a valid request. */
export const messageProblems = {
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
    meaning: 'A request with the same Idempotency-Key has not ended. Nothing was sent again.',
    cause: 'A client that repeats after a time-out of its own, shorter than that of the first request.',
    remedy: 'Ask again after Retry-After with the same key: you get the answer of the first.',
    repeat: later,
  },
  'message-not-resendable': {
    status: 409,
    title: 'This cannot be sent again',
    retryable: false,
    meaning:
      'Only messages that are `unknown` or `not_sent` can be sent again, once each, and no files: their bytes are gone. Of a broadcast also those that were `rejected`, with the others.',
    cause:
      'It was accepted or rejected, is still on its way, was sent again before, was a file, or its content is not kept any more; of a broadcast, none of its recipients is left to be sent to again.',
    remedy: 'Look at the message with `GET /v1/messages/{id}`; upload a file again as a new message.',
    repeat: never,
  },
  'message-expired': {
    status: 409,
    title: 'The notAfter of the message has passed',
    retryable: false,
    meaning:
      'It could not go out before its `notAfter`, or a resend was asked for after it. This request sent nothing, and nothing of it goes out any more.',
    cause: 'Sending was slow, held or stopped for as long as the message was worth sending.',
    remedy:
      'If it is of use still, send it as a new message, under a new key and with a later `notAfter`; name one in a resend.',
    repeat: 'No. The same key gets this answer again; only a resend that names a new `notAfter` does not.',
  },
  'message-over': {
    status: 409,
    title: 'The message is being sent, or has ended',
    retryable: false,
    meaning: 'Only a message that is `queued` can be cancelled: what is on the wire cannot be called back.',
    cause: 'It went out, or ended otherwise, before your request came.',
    remedy: 'Read it with `GET /v1/messages/{id}`.',
    repeat: never,
  },
  'broadcast-over': {
    status: 409,
    title: 'The broadcast is over',
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
    meaning: 'The Idempotency-Key belongs to a request with other content, or with another reference.',
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
} as const satisfies Record<string, ProblemType>;

import { never, type ProblemType } from './problem-type.ts';

/** Problems of the request itself: its form, its key, its path, its connection. */
export const requestProblems = {
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
    title: 'Not found',
    retryable: false,
    meaning: 'The path, or the contact, template, file, connection or message that it names, does not exist for you.',
    cause: 'A misspelt path or name, an id of another caller, a record older than its retention.',
    remedy: 'Check the spelling; `/docs` lists every path.',
    repeat: never,
  },
  'method-not-allowed': {
    status: 405,
    title: 'The method is not allowed here',
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
} as const satisfies Record<string, ProblemType>;

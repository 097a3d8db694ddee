/** Statuses that are a refusal in so many words: the endpoint did not process the request. 307, 308 and 300 say "not here": nothing was processed. */
export const rejectingStatuses = new Set([
  300, 307, 308, 400, 401, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 417, 422, 431, 501, 505,
]);

export const unprocessedStatuses = new Set([421, 425, 429]);

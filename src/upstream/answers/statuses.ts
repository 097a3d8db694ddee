/**
 * Statuses that mean a definite refusal: the endpoint did not process the request. 300, 307 and 308 point to another address,
 * so nothing was processed either.
 */
export const rejectingStatuses = new Set([
  300, 307, 308, 400, 401, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 417, 422, 431, 501, 505,
]);

export const unprocessedStatuses = new Set([421, 425, 429]);

/**
 * WATI may report a message with a time that is earlier or later than its attempt by ours, ms. Earlier by the largest difference of
 * the two clocks.
 */
export const reportedEarlierMsMax = 60_000;
/** Later by the longest delay until WATI lists or reports it. */
export const reportedLaterMsMax = 15 * 60_000;

/** `14155551234` -> `***1234`: enough to find a complaint, too little to contact a person. */
export const masked = (recipient: string): string => `***${recipient.slice(-4)}`;

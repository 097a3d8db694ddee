/** What an error is called where its words may not be told: its code, else its name. */
export const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name;

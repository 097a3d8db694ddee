/** An error and its causes for the log: codes and messages without addresses, secrets and numbers. */
export interface LoggedError {
  name: string;
  code?: string;
  message?: string;
  stack?: string;
  cause?: LoggedError;
}

const depthMax = 5;
const lengthMax = 300;

/** With `stack`: the stack of the first error, for errors of our own code. */
export function errorForLog(error: Error, stack = false, depth = 1): LoggedError {
  const { code } = error as Error & { code?: unknown };
  const { cause } = error;
  return {
    name: error.name,
    ...((typeof code === 'string' || typeof code === 'number') && { code: String(code).slice(0, 64) }),
    message: scrubbed(error.message),
    ...(stack && error.stack !== undefined && { stack: error.stack }),
    ...(cause instanceof Error && depth < depthMax && { cause: errorForLog(cause, false, depth + 1) }),
  };
}

/** Cut before matching, so that the patterns see a bounded text. */
export const scrubbed = (text: string): string =>
  text
    .slice(0, lengthMax)
    .replace(/(?<!\w)\w{1,20}:\/\/[^\s'"]+/g, '[address]')
    .replace(/(?<![^\s'"()<>,;=])[^\s'"()<>,;=@]{1,64}@[^\s'"()<>,;]+/g, '[address]')
    .replace(/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, '[address]')
    .replace(/(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])/gi, '[address]')
    .replace(/(?<![\w./\\-])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?::\d+)?(?![\w/-])/gi, '[host]')
    .replace(/[A-Za-z0-9_/=+-]{24,}/g, '[secret]')
    .replace(/\d{5,}/g, (number) => `***${number.slice(-4)}`);

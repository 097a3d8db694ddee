import type { Ajv, FuncKeywordDefinition } from 'ajv';
import { httpsFault } from '../lib/https-address.ts';
import { isBlank, textFault } from '../lib/text.ts';
import { readUtcTime } from '../lib/utc-time.ts';
import type { PhoneNumbers } from '../recipients/phone-numbers.ts';
import { readRecipient } from '../recipients/recipient.ts';
import { readMediaPath } from '../upstream/media-path.ts';

type Check = ReturnType<NonNullable<FuncKeywordDefinition['compile']>>;

const lengthMax = 200;
const notChannel = 'must be one of your own WhatsApp numbers: 7 to 15 digits with the country code, no 0 first';

/**
 * Keywords that JSON Schema lacks, with messages of their own: `x-recipient: phone | any`, `x-channel: number`, `x-text: lines
 * | line`, `x-time: utc`, `x-media-path: stored` and `x-address: https`. Two validate nothing (src/schemas/schema-errors.ts): `x-form`
 * explains a `pattern` in words, and `x-elsewhere` of an object names the alternative to a property that it lacks.
 */
export function addKeywords(ajv: Ajv, numbers: PhoneNumbers): void {
  ajv.addKeyword({ ...shared, keyword: 'x-recipient', modifying: true, compile: (kind) => readInPlace(numbers, kind) });
  ajv.addKeyword({ ...shared, keyword: 'x-channel', modifying: true, compile: readChannel });
  ajv.addKeyword({ ...shared, keyword: 'x-text', compile: checkText });
  ajv.addKeyword({ ...shared, keyword: 'x-address', modifying: true, compile: checkAddress });
  ajv.addKeyword({ ...shared, keyword: 'x-media-path', modifying: true, compile: readPathInPlace });
  ajv.addKeyword({ ...shared, keyword: 'x-time', modifying: true, compile: readTime });
  ajv.addKeyword({ keyword: 'x-form', schemaType: 'string' });
  ajv.addKeyword({ keyword: 'x-elsewhere', schemaType: 'object' });
}

const shared = { type: 'string', schemaType: 'string', errors: true } as const;

/** Replaces a number by its digits, so that code after validation sees a single form. */
function readInPlace(numbers: PhoneNumbers, kind: unknown): Check {
  const check: Check = (text: string, at) => {
    // A text that is too long has a fault already.
    if (text.length > lengthMax) return true;
    const reading = readRecipient(numbers, text, kind === 'any' ? 'any' : 'phone');
    if ('to' in reading) {
      if (at) at.parentData[at.parentDataProperty] = reading.to;
      return true;
    }
    check.errors = [{ keyword: 'x-recipient', message: reading.fault, params: {} }];
    return false;
  };
  return check;
}

function readChannel(): Check {
  const check: Check = (text: string, at) => {
    if (text.length > lengthMax) return true;
    const digits = text.startsWith('+') ? text.slice(1).replace(/[\s().-]/g, '') : text;
    if (/^[1-9]\d{6,14}$/.test(digits)) {
      if (at) at.parentData[at.parentDataProperty] = digits;
      return true;
    }
    check.errors = [{ keyword: 'x-channel', message: notChannel, params: {} }];
    return false;
  };
  return check;
}

/** Replaces a time with the form that responses use. */
function readTime(): Check {
  const check: Check = (text: string, at) => {
    const reading = readUtcTime(text);
    if ('time' in reading) {
      if (at) at.parentData[at.parentDataProperty] = reading.time;
      return true;
    }
    check.errors = [{ keyword: 'x-time', message: reading.fault, params: {} }];
    return false;
  };
  return check;
}

function checkText(kind: unknown): Check {
  const check: Check = (text: string) => {
    const message =
      textFault(text, kind === 'line' ? 'line' : 'lines') ?? (isBlank(text) ? 'must not be blank' : undefined);
    if (message === undefined) return true;
    check.errors = [{ keyword: 'x-text', message, params: {} }];
    return false;
  };
  return check;
}

/** Replaces an address at WATI that shows the file by the stored path. */
function readPathInPlace(): Check {
  const check: Check = (text: string, at) => {
    const reading = readMediaPath(text);
    if ('path' in reading) {
      if (at) at.parentData[at.parentDataProperty] = reading.path;
      return true;
    }
    check.errors = [{ keyword: 'x-media-path', message: reading.fault, params: {} }];
    return false;
  };
  return check;
}

function checkAddress(): Check {
  const check: Check = (text: string, at) => {
    const message = httpsFault(text);
    if (message === undefined) {
      // Programs that compare the scheme expect lower case.
      if (at && !text.startsWith('https')) at.parentData[at.parentDataProperty] = text.replace(/^https/i, 'https');
      return true;
    }
    check.errors = [{ keyword: 'x-address', message, params: {} }];
    return false;
  };
  return check;
}

import type { Ajv, SchemaValidateFunction } from 'ajv';
import { httpsFault } from '../lib/https-address.ts';
import { isBlank, textFault } from '../lib/text.ts';
import type { PhoneNumbers } from '../recipients/phone-numbers.ts';
import { readRecipient } from '../recipients/recipient.ts';
import { readMediaPath } from '../upstream/media-path.ts';

const lengthMax = 200;
const notChannel = 'must be one of your own WhatsApp numbers: 7 to 15 digits with the country code, no 0 first';

/**
 * What JSON Schema has no word for: `x-recipient: phone | any`, `x-channel: number`, `x-text: lines | line`, `x-media-path: stored`
 * and `x-address: https`, which carry words of their own, and `x-form`, which checks nothing: it says in words what a `pattern`
 * asks for (src/schemas/schema-errors.ts).
 */
export function addKeywords(ajv: Ajv, numbers: PhoneNumbers): void {
  /** Puts the digits in the place of what was written, so that a number has one form behind the schemas. */
  const readInPlace: SchemaValidateFunction = (kind, text: string, _schema, at) => {
    // What is too long has a fault already.
    if (text.length > lengthMax) return true;
    const reading = readRecipient(numbers, text, kind === 'any' ? 'any' : 'phone');
    if ('to' in reading) {
      if (at) at.parentData[at.parentDataProperty] = reading.to;
      return true;
    }
    readInPlace.errors = [{ keyword: 'x-recipient', message: reading.fault, params: {} }];
    return false;
  };
  const readChannel: SchemaValidateFunction = (_kind, text: string, _schema, at) => {
    if (text.length > lengthMax) return true;
    const digits = text.startsWith('+') ? text.slice(1).replace(/[\s().-]/g, '') : text;
    if (/^[1-9]\d{6,14}$/.test(digits)) {
      if (at) at.parentData[at.parentDataProperty] = digits;
      return true;
    }
    readChannel.errors = [{ keyword: 'x-channel', message: notChannel, params: {} }];
    return false;
  };
  const checkText: SchemaValidateFunction = (kind, text: string) => {
    const message =
      textFault(text, kind === 'line' ? 'line' : 'lines') ?? (isBlank(text) ? 'must not be blank' : undefined);
    if (message === undefined) return true;
    checkText.errors = [{ keyword: 'x-text', message, params: {} }];
    return false;
  };
  /** Puts the stored path in the place of an address of WATI that shows the file. */
  const readPathInPlace: SchemaValidateFunction = (_kind, text: string, _schema, at) => {
    const reading = readMediaPath(text);
    if ('path' in reading) {
      if (at) at.parentData[at.parentDataProperty] = reading.path;
      return true;
    }
    readPathInPlace.errors = [{ keyword: 'x-media-path', message: reading.fault, params: {} }];
    return false;
  };
  const checkAddress: SchemaValidateFunction = (_kind, text: string, _schema, at) => {
    const message = httpsFault(text);
    if (message === undefined) {
      // Case counts for nobody but those who compare it.
      if (at && !text.startsWith('https')) at.parentData[at.parentDataProperty] = text.replace(/^https/i, 'https');
      return true;
    }
    checkAddress.errors = [{ keyword: 'x-address', message, params: {} }];
    return false;
  };
  const shared = { type: 'string', schemaType: 'string', errors: true } as const;
  ajv.addKeyword({ ...shared, keyword: 'x-recipient', modifying: true, validate: readInPlace });
  ajv.addKeyword({ ...shared, keyword: 'x-channel', modifying: true, validate: readChannel });
  ajv.addKeyword({ ...shared, keyword: 'x-text', validate: checkText });
  ajv.addKeyword({ ...shared, keyword: 'x-address', modifying: true, validate: checkAddress });
  ajv.addKeyword({ ...shared, keyword: 'x-media-path', modifying: true, validate: readPathInPlace });
  ajv.addKeyword({ keyword: 'x-form', schemaType: 'string' });
}

import type { Ajv, SchemaValidateFunction } from 'ajv';
import type { PhoneNumbers } from '../src/recipients/phone-numbers.ts';
import { readRecipient } from '../src/recipients/recipient.ts';
import { isBlank, textFault } from '../src/text.ts';

const lengthMax = 200;

/**
 * What JSON Schema has no word for: `x-recipient: phone | any` and `x-text: lines | line`, which carry words of their own,
 * and `x-form`, which checks nothing: it says in words what a `pattern` asks for (src/schema-words.ts).
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
  const checkText: SchemaValidateFunction = (kind, text: string) => {
    const message =
      textFault(text, kind === 'line' ? 'line' : 'lines') ?? (isBlank(text) ? 'must not be blank' : undefined);
    if (message === undefined) return true;
    checkText.errors = [{ keyword: 'x-text', message, params: {} }];
    return false;
  };
  const shared = { type: 'string', schemaType: 'string', errors: true } as const;
  ajv.addKeyword({ ...shared, keyword: 'x-recipient', modifying: true, validate: readInPlace });
  ajv.addKeyword({ ...shared, keyword: 'x-text', validate: checkText });
  ajv.addKeyword({ keyword: 'x-form', schemaType: 'string' });
}

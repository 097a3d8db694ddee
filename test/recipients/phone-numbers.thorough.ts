import fc from 'fast-check';
import examples from 'libphonenumber-js/examples.mobile.json' with { type: 'json' };
import {
  getCountries,
  getCountryCallingCode,
  getExampleNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';
import { describe, expect, it } from 'vitest';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';

const numbers = new PhoneNumbers();

/** A mobile number of every country that has an example of one. */
const mobiles = getCountries().flatMap((country) => {
  const example = getExampleNumber(country, examples);
  return example ? [{ country, code: getCountryCallingCode(country), national: String(example.nationalNumber) }] : [];
});
const anyMobile = fc
  .tuple(fc.constantFrom(...mobiles), fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 3 }))
  .map(([mobile, last]) => ({ ...mobile, national: mobile.national.slice(0, -3) + last.join('') }))
  .filter(({ code, national }) => {
    const parsed = parsePhoneNumberFromString(`+${code}${national}`);
    return parsed?.isValid() === true && parsed.number === `+${code}${national}`;
  });

describe('a phone number', () => {
  it.each([
    ['14155550100', '14155550100'],
    ['+14155550100', '14155550100'],
    ['+1 (415) 555-0100', '14155550100'],
    ['+1.415.555.0100', '14155550100'],
    ['+1415.5550100', '14155550100'],
    ['+91 98123\u00a045670', '919812345670'],
    ['+49\u2013151 \u2010 12345678', '4915112345678'],
    ['390612345678', '390612345678'],
    ['+39 06 1234 5678', '390612345678'],
    ['+225 07 07 12 34 56', '2250707123456'],
    // What WhatsApp calls Mexican, Brazilian and Argentine mobiles.
    ['5215512345678', '5215512345678'],
    ['551187654322', '551187654322'],
    ['5511987654322', '5511987654322'],
    ['5491112345678', '5491112345678'],
    ['541112345678', '541112345678'],
    // Not assigned, but possible.
    ['19998880409', '19998880409'],
  ])('is read from %s', (text, to) => {
    expect(numbers.read(text)).toEqual({ to });
  });

  it.each([
    ['4155551000', /Switzerland \(\+41\).*8 digits.*is the country code missing\?/],
    ['7700900123', /Kazakhstan|Russia/],
    ['9812345678', /Iran \(\+98\).*is the country code missing\?/],
    ['2101234567', /code of no country: is the country code missing\?/],
    ['0014155550100', /without 00 in front/],
    ['+0014155550100', /without 00 in front/],
    ['whatsapp:+14155550100', /whatsapp: or tel: in front/],
    ['tel:+14155550100', /whatsapp: or tel: in front/],
    ['https://wa.me/14155550100', /is an address/],
    ['14155550100@c.us', /has an @/],
    ['4407700900123', /has a 0 behind the country code of United Kingdom/],
    ['+44 (0)7700 900123', /has a \(0\)/],
    ['49015112345678', /has a 0 behind the country code of Germany/],
    ['789161234567', /inside the country only|behind the country code of Russia/],
    ['360620123456', /behind the country code of Hungary/],
    ['91919812345670', /country code of India \(\+91\) twice/],
    ['114155550100', /country code of United States \(\+1\) twice/],
    ['919812345670.0', /ends in a decimal part/],
    ['+919812345670.0', /ends in a decimal part/],
    ['9.1981E+11', /scientific notation/],
    ["'+919812345670", /apostrophe/],
    ['="919812345670"', /formula/],
    ['91 98123 45670', /behind a \+ only/],
    ['1-415-555-0100', /behind a \+ only/],
    [' 14155550100', /blank in front/],
    ['14155550100 ', /blank behind/],
    ['', /is blank/],
    ['\u200b', /is blank/],
    ['\u202a+14155550100\u202c', /invisible character/],
    ['+14155550100\n', /line break/],
    ['+14155550100 x12', /extension/],
    ['+14155550100/+14155550101', /more than one number/],
    ['+14155550100 +14155550101', /more than one number/],
    ['+91 98123 45670-71', /ends in a group of digits/],
    ['hello', /letters/],
    ['\u0967\u0968\u0969\u096a\u096b\u096c\u096d\u096e', /digits other than 0 to 9/],
    ['07700900123', /begins with 0: write the country code/],
    ['123456', /has 6 digits/],
    ['1234567890123456', /has 16 digits/],
    ['-14155550100', /negative/],
    ['+1415555*0100', /no number has/],
  ])('is not read from %s, and a word says why', (text, words) => {
    const reading = numbers.read(text);
    expect(reading).toEqual({ fault: expect.stringMatching(words) });
    for (const group of text.match(/\d{4,}/g) ?? []) expect(JSON.stringify(reading)).not.toContain(group);
  });

  it('of every country is read, with or without its plus and separators', () => {
    expect(mobiles.length).toBeGreaterThan(200);
    fc.assert(
      fc.property(anyMobile, fc.constantFrom(' ', '.', '-', '\u00a0'), ({ code, national }, blank) => {
        const to = code + national;
        expect(numbers.read(to)).toEqual({ to });
        expect(numbers.read(`+${code}${blank}(${national.slice(0, 2)})${blank}${national.slice(2)}`)).toEqual({ to });
      }),
      { numRuns: 1_000, seed: 7 },
    );
  });

  it('with a superfluous 0 or country code is never read as another', () => {
    fc.assert(
      fc.property(anyMobile, ({ code, national }) => {
        for (const wrong of [
          `00${code}${national}`,
          `0${national}`,
          `${code}0${national}`,
          `${code}${code}${national}`,
        ]) {
          if (
            parsePhoneNumberFromString(`+${wrong}`)?.number === `+${wrong}` &&
            parsePhoneNumberFromString(`+${wrong}`)?.isValid()
          )
            continue;
          expect(numbers.read(wrong), wrong).toEqual({ fault: expect.any(String) });
        }
      }),
      { numRuns: 1_000, seed: 7 },
    );
  });
});

describe('a country code and a number in two cells', () => {
  it.each([
    ['+91', '9812345670', '919812345670'],
    ['91', '98123 45670', '919812345670'],
    ['1', '(415) 555-0100', '14155550100'],
    ['+39', '0612345678', '390612345678'],
    ['+225', '0707123456', '2250707123456'],
    ['+39', '06 1234 5678', '390612345678'],
    ['225', '07-07 12.34.56', '2250707123456'],
    // Begins with the digits of its own country code, and is whole.
    ['91', '9198123456', '919198123456'],
  ])('%s and %s are one number', (code, phone, to) => {
    expect(numbers.readPair(code, phone)).toEqual({ to });
  });

  it.each([
    ['91', '919812345670', /CountryCode gives too/],
    ['+91', '+919812345670', /CountryCode gives too/],
    ['91', '00919812345670', /begins with 00/],
    ['49', '4915112345678', /CountryCode gives too/],
    ['49', '4921123456', /CountryCode gives too/],
    ['+44', '07700900123', /0 behind the country code of United Kingdom/],
    ['49', '015112345678', /0 behind the country code of Germany/],
    ['7', '89161234567', /Russia/],
    ['36', '06201234567', /Hungary/],
    ['1', '14155550100', /CountryCode gives too/],
    ['41', '4155551000', /Switzerland/],
    ['', '9812345670', /has no country code/],
    ['IN', '9812345670', /calling code in digits/],
    ['India', '9812345670', /calling code in digits/],
    ['0091', '9812345670', /CountryCode begins with 00/],
    ['091', '9812345670', /CountryCode begins with 0:/],
    ['91.0', '9812345670', /CountryCode ends in a decimal part/],
    ["'91", '9812345670', /CountryCode has an apostrophe/],
    ['="91"', '9812345670', /CountryCode is a formula/],
    ['1-242', '3591234', /CountryCode has an area code/],
    ['+1242', '3591234', /CountryCode has an area code/],
    ['(91)', '9812345670', /CountryCode has more than digits/],
    ['\u0669\u0661', '9812345670', /CountryCode has digits other than 0 to 9/],
    ['44', '07700 900123', /0 behind the country code of United Kingdom/],
    ['999', '9812345670', /not the calling code/],
    ['91', '', /blank/],
    ['91', '9.81E+9', /scientific/],
    ['91', "'9812345670", /apostrophe/],
  ])('%s and %s are none, and a word says why', (code, phone, words) => {
    expect(numbers.readPair(code, phone)).toEqual({ fault: expect.stringMatching(words) });
  });

  it('of every country are read, and never with a superfluous 0 or country code', () => {
    fc.assert(
      fc.property(anyMobile, ({ code, national }) => {
        // German and a few other plans assign such numbers both ways.
        const both = national.startsWith(code);
        const parts = `${national.slice(0, 2)} ${national.slice(2)}`;
        for (const each of both ? [] : [national, parts])
          expect(numbers.readPair(`+${code}`, each)).toEqual({ to: code + national });
        expect(numbers.readPair(code, code + national), 'code twice').toEqual({ fault: expect.any(String) });
        expect(numbers.readPair(code, `+${code}${national}`)).toEqual({ fault: expect.any(String) });
        const zero = parsePhoneNumberFromString(`+${code}0${national}`);
        if (zero?.isValid() && zero.number === `+${code}0${national}`) return;
        expect(numbers.readPair(code, `0${national}`), 'a 0').toEqual({ fault: expect.any(String) });
      }),
      { numRuns: 2_000, seed: 7 },
    );
  });

  it('of different countries become no number of a third', () => {
    fc.assert(
      fc.property(anyMobile, anyMobile, (one, other) => {
        const reading = numbers.readPair(one.code, other.code + other.national);
        if ('to' in reading) expect(reading.to.startsWith(one.code)).toBe(true);
        if ('to' in reading)
          expect(parsePhoneNumberFromString(`+${reading.to}`)).toMatchObject({ number: `+${reading.to}` });
      }),
      { numRuns: 1_000, seed: 7 },
    );
  });
});

describe('the countries of a caller', () => {
  it('accept their own numbers, and no other', () => {
    expect(numbers.read('14155550100', ['US', 'CA'])).toEqual({ to: '14155550100' });
    expect(numbers.read('4795551000', ['US', 'CA'])).toEqual({
      fault: 'was read as a number of Norway (+47), and only numbers of US, CA are taken: is the country code missing?',
    });
    expect(numbers.read('18765551234', ['US', 'CA'])).toEqual({ fault: expect.stringContaining('Jamaica (+1)') });
    // A number of Jamaica that is not assigned is of Jamaica still.
    expect(numbers.read('18761551234', ['US', 'CA'])).toEqual({ fault: expect.stringContaining('Jamaica (+1)') });
    expect(numbers.read('19998880409', ['US'])).toEqual({ to: '19998880409' });
    expect(numbers.read('80012345678', ['US'])).toEqual({ fault: expect.stringContaining('no country') });
    expect(numbers.readPair('91', '9812345670', ['US'])).toEqual({ fault: expect.stringContaining('India (+91)') });
  });

  it('are those that libphonenumber reads, for numbers of every country', () => {
    fc.assert(
      fc.property(anyMobile, ({ code, national }) => {
        expect(numbers.countryOf(code + national)).toBe(parsePhoneNumberFromString(`+${code}${national}`)?.country);
      }),
      { numRuns: 1_000, seed: 7 },
    );
  });
});

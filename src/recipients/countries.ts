import { isSupportedCountry } from 'libphonenumber-js/max';

/** Upper-case ISO 3166 codes of two letters; undefined: all of these are countries with phone numbers. */
export function countriesFault(countries: readonly string[]): string | undefined {
  const unknown = countries.filter((country) => !isSupportedCountry(country));
  return unknown.length === 0
    ? undefined
    : `${unknown.join(', ')} is no ISO 3166 code of a country, such as US (upper case)`;
}

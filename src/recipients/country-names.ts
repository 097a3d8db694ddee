import { type CountryCode, getCountries, getCountryCallingCode, isSupportedCountry } from 'libphonenumber-js/max';

/** The languages in which tables name countries: those of WATI's largest markets, and English. */
const languages = ['en', 'de', 'fr', 'es', 'pt', 'it', 'nl', 'pl', 'tr', 'ru', 'ar', 'he', 'hi', 'id', 'zh', 'ja'];
const short = new Map<string, CountryCode>([
  ['usa', 'US'],
  ['uk', 'GB'],
  ['uae', 'AE'],
]);

/** Finds the calling code of a named country: `US`, `en-US`, `Germany`, `Allemagne`. */
export class CountryNames {
  #byName: ReadonlyMap<string, CountryCode> | undefined;

  /** undefined: this is no name of a country. */
  callingCodeOf(text: string): string | undefined {
    const name = text.trim();
    const upper = name.replace(/^[a-z]{2,3}[-_](?=[a-z]{2}$)/i, '').toUpperCase();
    const country = isSupportedCountry(upper) ? upper : this.#names().get(fold(name));
    return country === undefined ? undefined : getCountryCallingCode(country);
  }

  /** Built on first use, because most files do not need it. */
  #names(): ReadonlyMap<string, CountryCode> {
    if (this.#byName) return this.#byName;
    const found = new Map<string, CountryCode>(short);
    for (const language of languages) {
      const names = new Intl.DisplayNames(language, { type: 'region' });
      for (const country of getCountries()) {
        const name = names.of(country);
        if (name !== undefined) found.set(fold(name), country);
      }
    }
    this.#byName = found;
    return found;
  }
}

const fold = (name: string): string => name.normalize('NFKC').toLowerCase().replace(/[.]/g, '');

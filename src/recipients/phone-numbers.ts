import {
  type CountryCode,
  getCountries,
  getCountryCallingCode,
  Metadata,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';
import { lazy } from '../lib/memoize.ts';
import { CountryNames } from './country-names.ts';
import { codeFault, readForm, readNational } from './number-form.ts';

export type NumberReading = { to: string } | { fault: string };

/** The numbers with one calling code. */
interface NumberingPlan {
  code: string;
  /** All countries that share the code. */
  countries: CountryCode[];
  lengths: ReadonlySet<number>;
  /** Pattern of the numbers that any of them assigns; undefined: libphonenumber parses each number. */
  assigned: RegExp | undefined;
}

/**
 * Reads numbers and their countries by libphonenumber's metadata. The test is "possible" and not "valid", because metadata lags
 * behind what carriers assign. A number that is not assigned is refused as a mistake if there is an obvious other reading: a
 * leading 0, or the country code written twice.
 */
export class PhoneNumbers {
  readonly #countriesOf: ReadonlyMap<string, CountryCode[]>;
  readonly #plans = new Map<string, NumberingPlan>();
  /** After +1 the area code decides the country. */
  readonly #areaCountries = new Map<string, string>();
  readonly countryNames = new CountryNames();
  readonly #names = lazy(() => new Intl.DisplayNames('en', { type: 'region' }));

  constructor() {
    this.#countriesOf = Map.groupBy(getCountries(), (country) => getCountryCallingCode(country));
  }

  /** A number with its country code, with or without `+`. A fault says what to change and never repeats the number. */
  read(text: string, allowed?: readonly string[]): NumberReading {
    const form = readForm(text);
    return 'fault' in form
      ? form
      : this.#narrowed(this.#judge(form.digits) ?? this.#groupFault(text, form.digits), form.digits, allowed);
  }

  /**
   * The same from two cells, country code and number. They are validated together, because concatenated they may form another
   * valid number.
   */
  readPair(codeText: string, phone: string, allowed?: readonly string[]): NumberReading {
    const code = this.#readCode(codeText);
    if (typeof code !== 'string') return code;
    const form = readNational(phone);
    if ('fault' in form) return form;
    const whole = code + form.digits;
    const fault = this.#judgePair(code, form.digits) ?? this.#groupFault(phone, whole);
    return this.#narrowed(fault, whole, allowed);
  }

  /**
   * Whether a complete number is more likely the part after this calling code, which was found beside it. If the number is
   * assigned as it stands, only a mobile number of the other country counts, and a vague hint does not.
   */
  mayLack(code: string, digits: string, { isOnlyHint = false } = {}): boolean {
    if (!this.#countriesOf.has(code) || !fits(this.#plan(code), digits)) return false;
    const own = this.#planOf(digits);
    if (own === undefined || !fits(own, digits.slice(own.code.length))) return true;
    if (isOnlyHint || own.code === code) return false;
    return /MOBILE/.test(parsePhoneNumberFromString(`+${code}${digits}`)?.getType() ?? '');
  }

  /** Why a number of this country is refused; undefined: it is accepted. `digits` is a possible number. */
  countryFault(digits: string, allowed: readonly string[]): string | undefined {
    const country = this.countryOf(digits, allowed);
    if (country !== undefined && allowed.includes(country)) return undefined;
    return `was read as a number of ${this.#nameOf(country, digits)}, and only numbers of ${allowed.join(', ') || 'no country'} are taken: is the country code missing?`;
  }

  /**
   * ISO 3166 code; undefined for numbers of no country. If all countries of the calling code are `accepted`, the number is not
   * parsed, because it makes no difference which of them it belongs to.
   */
  countryOf(digits: string, accepted: readonly string[] = []): string | undefined {
    const plan = this.#planOf(digits);
    if (plan === undefined) return undefined;
    const [first, ...others] = plan.countries;
    if (others.length === 0 || plan.countries.every((country) => accepted.includes(country))) return first;
    const national = digits.slice(plan.code.length);
    const area = plan.code === '1' ? national.slice(0, 3) : undefined;
    const ofArea = area && this.#areaCountries.get(area);
    if (ofArea) return ofArea;
    const parsed = parsePhoneNumberFromString(`+${digits}`);
    if (parsed?.country !== undefined) {
      if (area !== undefined) this.#areaCountries.set(area, parsed.country);
      return parsed.country;
    }
    // For a number that is not assigned: the country with these leading digits, else the main country of the code.
    const possible = parsed?.getPossibleCountries() ?? [];
    const known = possible.find((country) => leadingDigitsOf(country)?.test(national));
    return known ?? plan.countries.find((country) => possible.includes(country)) ?? first;
  }

  #narrowed(fault: string | undefined, digits: string, allowed: readonly string[] | undefined): NumberReading {
    const found = fault ?? (allowed && this.countryFault(digits, allowed));
    return found === undefined ? { to: digits } : { fault: found };
  }

  #readCode(text: string): string | { fault: string } {
    const code = text.trim().replace(/^\+\s*/, '');
    if (this.#countriesOf.has(code)) return code;
    return { fault: codeFault(code) };
  }

  #judgePair(code: string, national: string): string | undefined {
    const whole = code + national;
    if (whole.length > 15) return `has ${whole.length} digits with its country code; at most 15 are possible`;
    const plan = this.#plan(code);
    // Both readings are assigned, so the number is ambiguous.
    if (national.startsWith(code) && fits(plan, national.slice(code.length))) {
      return `begins with the country code ${code}, which CountryCode gives too: leave it out here, or write the number with + and leave CountryCode blank`;
    }
    return this.#judge(whole);
  }

  /** Why this cannot be a number; undefined: it can. */
  #judge(digits: string): string | undefined {
    const plan = this.#planOf(digits);
    if (plan === undefined) {
      const other = parsePhoneNumberFromString(`+${digits}`);
      return other?.isPossible() ? undefined : 'begins with the code of no country: is the country code missing?';
    }
    const national = digits.slice(plan.code.length);
    if (fits(plan, national) || isWhatsAppMexican(plan, national)) return undefined;
    const bare = national.replace(/^0+/, '');
    const where = this.#nameOf(this.countryOf(digits), digits);
    if (bare !== national && fits(plan, bare)) return `has a 0 behind the country code of ${where}: leave it out`;
    const once = bare.startsWith(plan.code) ? bare.slice(plan.code.length) : bare;
    if (once !== bare && fits(plan, once.replace(/^0+/, ''))) {
      return `has the country code of ${where} twice: leave one out`;
    }
    const parsed = parsePhoneNumberFromString(`+${digits}`);
    if (parsed && parsed.number !== `+${digits}`) {
      return `has a 0 or another prefix behind the country code of ${where} that is dialled inside the country only: leave it out`;
    }
    if (parsed?.isPossible()) return undefined;
    return `was read as a number of ${where}, which has none of ${national.length} digits behind its country code: is the country code missing?`;
  }

  /** `+91 98123 45670-71` is two numbers, or one and an extension. */
  #groupFault(text: string, digits: string): string | undefined {
    const last = /[^0-9]([0-9]{1,3})$/.exec(text)?.[1];
    const plan = last === undefined ? undefined : this.#planOf(digits);
    if (last === undefined || plan === undefined) return undefined;
    const national = digits.slice(plan.code.length);
    if (fits(plan, national) || !fits(plan, national.slice(0, -last.length))) return undefined;
    return 'ends in a group of digits that is not part of it: write one number without extension';
  }

  #nameOf(country: string | undefined, digits: string): string {
    const code = this.#planOf(digits)?.code;
    if (country === undefined || code === undefined) return 'no country';
    return `${this.#names().of(country) ?? country} (+${code})`;
  }

  /** Calling codes are prefix-free, and have at most three digits. */
  #planOf(digits: string): NumberingPlan | undefined {
    for (let length = 1; length <= 3; length += 1) {
      const code = digits.slice(0, length);
      const known = this.#plans.get(code);
      if (known) return known;
      if (this.#countriesOf.has(code)) return this.#plan(code);
    }
    return undefined;
  }

  #plan(code: string): NumberingPlan {
    const plan = this.#plans.get(code) ?? this.#readPlan(code);
    this.#plans.set(code, plan);
    return plan;
  }

  #readPlan(code: string): NumberingPlan {
    const countries = mainFirst(code, this.#countriesOf.get(code) ?? []);
    const plans = countries.map(planIn);
    // The main country of a code has no leading digits of its own, and most of the numbers.
    const patterns = plans
      .toSorted((one, other) => Number(one.leading !== undefined) - Number(other.leading !== undefined))
      .map(({ pattern }) => pattern);
    const assigned = patterns.includes(undefined) ? undefined : new RegExp(`^(?:${[...new Set(patterns)].join('|')})$`);
    return { code, countries, lengths: new Set(plans.flatMap(({ lengths }) => lengths)), assigned };
  }
}

const fits = ({ lengths, assigned }: NumberingPlan, national: string): boolean =>
  lengths.has(national.length) && assigned?.test(national) === true;

/** WhatsApp's ids of Mexican mobile numbers keep the 1 that the numbering plan has dropped. */
const isWhatsAppMexican = (plan: NumberingPlan, national: string): boolean =>
  plan.code === '52' && national.length === 11 && national.startsWith('1') && fits(plan, national.slice(1));

/** One country's part of a numbering plan. */
function planIn(country: CountryCode) {
  const metadata = new Metadata();
  metadata.selectNumberingPlan(country);
  const plan = metadata.numberingPlan;
  return { lengths: plan?.possibleLengths() ?? [], leading: plan?.leadingDigits(), pattern: patternOf(plan) };
}

/** The library's types omit this method. If it is missing, every number is parsed, which is correct but slower. */
function patternOf(plan: object | undefined): string | undefined {
  if (plan === undefined || !('nationalNumberPattern' in plan)) return undefined;
  const { nationalNumberPattern } = plan;
  if (typeof nationalNumberPattern !== 'function') return undefined;
  const pattern: unknown = nationalNumberPattern.call(plan);
  return typeof pattern === 'string' ? pattern : undefined;
}

/** The library lists the countries of a code with the main one first; its types do not say so. */
function mainFirst(code: string, countries: CountryCode[]): CountryCode[] {
  const metadata = new Metadata();
  if (!('getCountryCodesForCallingCode' in metadata)) return countries;
  const { getCountryCodesForCallingCode: list } = metadata;
  const listed: unknown = typeof list === 'function' ? list.call(metadata, code) : undefined;
  const main = Array.isArray(listed) ? listed[0] : undefined;
  return countries.toSorted((one, other) => Number(other === main) - Number(one === main));
}

function leadingDigitsOf(country: CountryCode): RegExp | undefined {
  const { leading } = planIn(country);
  return leading === undefined ? undefined : new RegExp(`^(?:${leading})`);
}

import type { CountryNames } from '../recipients/country-names.ts';

/** What the name of an unknown column says about country codes. */
export type ColumnHint = 'code' | 'country' | 'perhaps' | 'nothing';

const codeNames =
  /country|dial|^isd(?![a-z])|^isd(?:code|prefix|no)|calling|prefix|prefij|prefiss|vorwahl|vorwal|indicatif|indicativ|kierunkow|^cc$|phonecode|ddi$|landcode|landnummer|landskod|landekod|kodenegara|ülkekod|кодстран|国家代码|國碼|国番号|국가번호|कंट्रीकोड|देशकोड|رمزالدولة/;
const countryNames =
  /country|ctry|cntry|nation(?!al)|^land$|pays|pa[ií]s|paese|^kraj|negara|ülke|стран|країн|国家|國家|^国$|국가|देश|بلد|الدولة|מדינה|^iso|locale/;
/** Words that occur in names of columns with other codes as well. */
const perhaps = /cod[eio]|cód|kod|код|代码|番号|코드|कोड|رمز|intl|international|region/;

/** @param name without case, blanks, `_` and `-` */
export function columnHint(name: string): ColumnHint {
  if (codeNames.test(name)) return 'code';
  if (countryNames.test(name)) return 'country';
  return perhaps.test(name) ? 'perhaps' : 'nothing';
}

/** Longer cells contain no code and no country. */
const cellMax = 60;
/** Longer cells without a plus contain no code in digits. Checked first, because millions of cells are read. */
const shortMax = 8;
/** `+91`, `(+91)`, `'+91`, `+ 91`; behind a name, `India (+91)`. */
const withPlus = /^([^\d+]{0,40})\+ ?([1-9]\d{0,2})([^\d+]{0,40})$/;
/** `91`, `091`, `0091`, `'91`, `91.0`. */
const plain = /^['’]?0{0,3}([1-9]\d{0,2})(?:[.,]0+)?$/;

export interface CellHint {
  code: string;
  /** `plus`: the value is almost certainly a calling code. */
  as: 'plus' | 'named plus' | 'digits' | 'country';
}

/** The calling code that a cell beside the number may contain; undefined: none. */
export function cellHint(cell: string, column: ColumnHint, names: CountryNames): CellHint | undefined {
  const isNamed = column === 'code' || column === 'country';
  if (cell.length > cellMax || (!isNamed && cell.length > shortMax && !cell.includes('+'))) return undefined;
  const text = cell.trim();
  const plus = withPlus.exec(text);
  if (plus?.[2] !== undefined) {
    const hasName = /[^\s()[\]'’"=]/.test(`${plus[1]}${plus[3]}`);
    return { code: plus[2], as: hasName ? 'named plus' : 'plus' };
  }
  const digits = plain.exec(text)?.[1];
  if (digits !== undefined) return { code: digits, as: 'digits' };
  const code = isNamed ? names.callingCodeOf(text) : undefined;
  return code === undefined ? undefined : { code, as: 'country' };
}

import { isBlank, textFault } from '../lib/text.ts';

/** Why WhatsApp refuses a value of a template parameter; undefined: it accepts it. One such value makes a whole batch fail. */
export function valueFault(value: string): string | undefined {
  if (isBlank(value)) return 'is blank';
  if (/[\r\n\t\v\f\u0085\u2028\u2029]/.test(value)) return 'has a line break or a tab, which WhatsApp refuses';
  return / {4}/.test(value) ? 'has four or more spaces in a row, which WhatsApp refuses' : textFault(value);
}

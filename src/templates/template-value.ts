import { isBlank, textFault } from '../lib/text.ts';

/** Values of template parameters that WhatsApp refuses, a whole batch for one of them, in words; else undefined. */
export function valueFault(value: string): string | undefined {
  if (isBlank(value)) return 'is blank';
  if (/[\r\n\t\v\f\u0085\u2028\u2029]/.test(value)) return 'has a line break or a tab, which WhatsApp refuses';
  return / {4}/.test(value) ? 'has four or more spaces in a row, which WhatsApp refuses' : textFault(value);
}

import { readCsv } from './csv.ts';
import type { Operation } from './operations.ts';
import { BulkBody } from './schemas/templates.ts';

/** The recipients that a body names, as far as it can be parsed. */
export function recipientsIn(
  operation: Operation | 'unknown',
  json: unknown,
  csv: Buffer | undefined,
): readonly string[] {
  if (operation === 'sendTemplateMessageCSV') return csv ? readCsv(csv.toString('utf8')).map((row) => row.phone) : [];
  if (BulkBody.Check(json)) return json.receivers.map((receiver) => receiver.whatsappNumber);
  if (typeof json !== 'object' || json === null) return [];
  const number: unknown = 'whatsappNumber' in json ? json.whatsappNumber : 'target' in json ? json.target : undefined;
  return typeof number === 'string' ? [number] : [];
}

import { type Answer, type Call, one, refusal } from './call.ts';
import type { Tenant } from './state.ts';

export function getMedia(call: Call, tenant: Tenant): Answer {
  const file = tenant.files.get(one(call.query, 'fileName') ?? '');
  if (file) return { status: 200, body: file.bytes, contentType: file.contentType, acted: true };
  const missing = refusal({ info: 'File not found' });
  return { ...missing, status: tenant.settings.missingMedia };
}

import { type Answer, type Call, one, refusal } from './call.ts';
import type { StoredFile, Tenant } from './state.ts';

export function getMedia(call: Call, tenant: Tenant): Answer {
  const file = tenant.files.get(one(call.query, 'fileName') ?? '');
  if (file) return { status: 200, body: file.bytes, contentType: file.contentType, acted: true };
  const missing = refusal({ info: 'File not found' });
  return { ...missing, status: tenant.settings.missingMedia };
}

const picturesMax = 50;

/** Types that a browser shows and never runs. */
export const isPicture = (contentType: string): boolean => /^image\/(png|jpeg|gif|webp)$/.test(contentType);

/** Keeps a picture that was sent; the oldest are dropped first. */
export function keepPicture({ files, sentPictures }: Tenant, path: string, file: StoredFile): void {
  files.set(path, file);
  sentPictures.push(path);
  if (sentPictures.length > picturesMax) files.delete(sentPictures.shift() ?? '');
}

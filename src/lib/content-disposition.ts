/**
 * `Content-Disposition` for a file to keep (RFC 6266): a plain name as it is, any other as an approximation for old readers
 * and whole in `filename*`.
 */
export function asAttachment(name: string): string {
  if (/^[\w.() -]{1,200}$/.test(name)) return `attachment; filename="${name}"`;
  const plain = name.replace(/[^\w.() -]/g, '_').slice(-200);
  return `attachment; filename="${plain}"; filename*=UTF-8''${extended(name)}`;
}

/** RFC 8187: what encodeURIComponent leaves and an attr-char is not is encoded as well. */
const extended = (name: string): string =>
  encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

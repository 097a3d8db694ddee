/**
 * `Content-Disposition` for a download (RFC 6266). A name in ASCII is sent as it is; any other as an approximation for old
 * clients, and completely in `filename*`.
 */
export function asAttachment(name: string): string {
  if (/^[\w.() -]{1,200}$/.test(name)) return `attachment; filename="${name}"`;
  const plain = name.replace(/[^\w.() -]/g, '_').slice(-200);
  return `attachment; filename="${plain}"; filename*=UTF-8''${extended(name)}`;
}

/** RFC 8187: also encodes what encodeURIComponent leaves and attr-char does not allow. */
const extended = (name: string): string =>
  encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

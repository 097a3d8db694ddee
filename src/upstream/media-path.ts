import { isBlank, textFault } from '../lib/text.ts';

/** The longest path that is requested. */
const mediaPathMax = 1_024;

/** The query parameter of WATI's own file addresses that contains the path. */
const parameter = 'filename=';

export type MediaPathReading = { path: string } | { fault: string };

/**
 * The path under which WATI stores a file, from the path itself or from an address at WATI that shows the file
 * (`…/api/file/showFile?fileName=data/images/x.jpg`). The address is only parsed, never called. A fault says what is wrong.
 */
export function readMediaPath(text: string): MediaPathReading {
  const path = pathInAddress(text);
  if (path === undefined) return { fault: 'is an address that names no stored file' };
  const fault = pathFault(path);
  return fault === undefined ? { path } : { fault };
}

/** The path in an address; a text that is no address is taken as the path. */
function pathInAddress(text: string): string | undefined {
  const lower = text.toLowerCase();
  const at = Math.max(lower.indexOf(`?${parameter}`), lower.indexOf(`&${parameter}`));
  if (at >= 0) return decoded(nameBefore(text.slice(at + 1 + parameter.length)), true);
  if (!lower.startsWith('http://') && !lower.startsWith('https://')) return text;
  const [pathname = ''] = text.split(/[?#]/, 1);
  const start = pathname.toLowerCase().indexOf('/data/');
  return start < 0 ? undefined : decoded(pathname.slice(start + 1), false);
}

/** A file name may contain an ampersand that was not encoded, so only text that looks like another parameter ends it. */
function nameBefore(rest: string): string {
  const [first = '', ...others] = rest.split('&');
  const end = others.findIndex((each) => each.includes('='));
  return [first, ...(end < 0 ? others : others.slice(0, end))].join('&');
}

/** Decodes the path as a server would. Text that is not encoded stays as it is. */
function decoded(text: string, isQuery: boolean): string {
  try {
    return decodeURIComponent(isQuery ? text.replaceAll('+', ' ') : text);
  } catch {
    return text;
  }
}

/** Why the path is refused. No segment may lead upwards, however often a server decodes it. */
function pathFault(path: string): string | undefined {
  if (path.length > mediaPathMax) return `must have at most ${mediaPathMax} characters`;
  const text = textFault(path, 'line');
  if (text !== undefined) return text;
  for (let form = path, times = 0; times < 4; times += 1) {
    const fault = segmentFault(form);
    if (fault !== undefined) return fault;
    const next = decoded(form, false);
    if (next === form) return undefined;
    form = next;
  }
  return 'is percent-encoded again and again';
}

function segmentFault(path: string): string | undefined {
  for (const segment of path.split('/')) {
    if (isBlank(segment)) return 'has an empty segment: write it as `media.path` of a message has it';
    if (segment.startsWith('.')) return 'has a segment that begins with a dot';
    if (segment.includes('\\') || textFault(segment, 'line') !== undefined) {
      return 'has a backslash or a control character';
    }
  }
  return undefined;
}

/** What a caller, or a proxy in between, may do to the bounds of requests. */
export type Trick = [name: string, bytes: string, outcome: Outcome];

/** A status, and then the answer behind it; a status as the last one of its connection; or a 400 as the last one. */
type Outcome = number | `${number} and the end` | 'refused';

/** By what a request is known again in its answer, and in what was sent. */
interface Marks {
  key: string;
  to: string;
  /** Of the trick itself. */
  id: string;
  /** What answers 200 to a GET, and 201 to a POST of a message; of the service's own port by default. */
  paths?: { get: string; post: string };
}

const usualPaths = { get: '/health/live', post: '/v1/messages/text' };

/** An honest request, of which the answer tells that it is its own. */
export const honestRequest = (id: string, ...lines: string[]): string => honestTo(usualPaths.get, id, ...lines);

export const honestTo = (path: string, id: string, ...lines: string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: a', ...lines, `x-request-id: ${id}`].join('\r\n')}\r\n\r\n`;

/** The words that tricks are made of. */
export function wording({ key, to, id, paths = usualPaths }: Marks) {
  const message = `{"to":"${to}","text":"Hello"}`;
  const line = (...lines: string[]) => `${[...lines, `x-request-id: ${id}`].join('\r\n')}\r\n\r\n`;
  return {
    at: paths.get,
    message,
    line,
    get: (...lines: string[]) => line(`GET ${paths.get} HTTP/1.1`, 'Host: a', ...lines),
    post: (lines: string[], body: string) =>
      line(
        `POST ${paths.post} HTTP/1.1`,
        'Host: a',
        `Authorization: Bearer ${key}`,
        'Content-Type: application/json',
        ...lines,
      ) + body,
    target: (text: string, host = 'a') => line(`GET ${text} HTTP/1.1`, `Host: ${host}`),
  };
}

const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA'];

/** A proxy reads two requests of one caller; the service ends the connection after the first and does not read the second. */
export function behindUpgrade(marks: Marks): Trick[] {
  const { at, message, get, post } = wording(marks);
  const hidden = honestTo(at, 'hidden');
  return [
    [
      'Upgrade: h2c and a request of two',
      post([`Content-Length: ${message.length}`, ...h2c], message) + hidden,
      '201 and the end',
    ],
    [
      'Upgrade and a head whose body looks like a request',
      get(...h2c) + post(['Content-Length: 90'], hidden),
      '200 and the end',
    ],
  ];
}

/** Each with the first answer where the honest request behind it gets its own; `refused`: one 400 and the end of the connection. */
export function framingTricks(marks: Marks): Trick[] {
  const { key, paths = usualPaths } = marks;
  const { at, message, line, get, post, target } = wording(marks);
  const size = `Content-Length: ${message.length}`;
  const chunked = 'Transfer-Encoding: chunked';
  const inChunks = `${message.length.toString(16)}\r\n${message}\r\n0\r\n\r\n`;
  const hidden = honestTo(at, 'hidden');
  return [
    ['nothing odd', get(), 200],
    ['a message with its length', post([size], message), 201],
    ['a message in chunks', post([chunked], inChunks), 201],
    ['empty lines in front', `\r\n\r\n${get()}`, 200],
    ['a GET with a body', get(`Content-Length: ${hidden.length}`) + hidden, 200],
    ['a GET with a body in chunks', `${get(chunked)}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`, 200],
    ['a small chunk extension', post([chunked], `${message.length.toString(16)};a=b\r\n${message}\r\n0\r\n\r\n`), 201],
    ['a trailer', post([chunked], inChunks.replace(/\r\n$/, 'X-One: a\r\n\r\n')), 201],
    ['two spaces in the request line', get().replace('GET ', 'GET  '), 200],
    ['a chunk size in capitals', post([chunked], inChunks.toUpperCase().replace(message.toUpperCase(), message)), 201],
    ['leading zeros in a chunk size', post([chunked], `000${inChunks}`), 201],
    ['Connection: Content-Length', post([size, 'Connection: Content-Length'], message), 201],
    ['a header called __proto__', get('__proto__: x'), 200],
    ['X-HTTP-Method-Override', get('X-HTTP-Method-Override: DELETE'), 200],
    ['Proxy-Connection', get('Proxy-Connection: keep-alive'), 200],
    ['a target on this host', target(`http://a${at}`), 200],
    ['a target on this host, in capitals', target(`HTTP://A${at}`), 200],
    ['a Host with a port', target(at, 'a:3000'), 200],
    ['an IPv6 Host', target(at, '[::1]:3000'), 200],

    ['two Hosts', get('Host: b'), 'refused'],
    ['two equal Hosts', get('Host: a'), 'refused'],
    ['two Hosts, one in capitals', get('HOST: b'), 'refused'],
    ['a second Host behind a hundred headers', get(...lots(100), 'Host: b'), 'refused'],
    ['a second Host behind a thousand headers', get(...lots(1_100), 'Host: b'), 'refused'],
    ['a list of Hosts', target(at, 'a, b'), 'refused'],
    ['a Host with a path', target(at, 'a/b'), 'refused'],
    ['a Host with a user', target(at, 'a@b'), 'refused'],
    ['no Host', line(`GET ${at} HTTP/1.1`), 'refused'],
    ['a target on another host', target(`http://b${at}`), 'refused'],
    ['a target on another port', target(`http://a:81${at}`), 'refused'],
    ['a target with a user', target(`http://a@b${at}`), 'refused'],
    ['a target of another scheme', target(`ftp://a${at}`), 'refused'],
    ['a target without a slash', target(at.slice(1)), 'refused'],
    ['the target *', line('OPTIONS * HTTP/1.1', 'Host: a'), 'refused'],
    ['an address of a route that cannot be decoded, with two Hosts', target('/%ff', 'a\r\nHost: b'), 'refused'],

    ['a length and chunks', post([size, chunked], inChunks), 'refused'],
    ['chunks and a length', post([chunked, size], inChunks), 'refused'],
    ['a length of 0 and chunks', post(['Content-Length: 0', chunked], `0\r\n\r\n${hidden}`), 'refused'],
    ['two lengths', post([size, 'Content-Length: 0'], message), 'refused'],
    ['two equal lengths', post([size, size], message), 'refused'],
    ['a list of lengths', post([`${size}, ${message.length}`], message), 'refused'],
    ['a length with a sign', post([`Content-Length: +${message.length}`], message), 'refused'],
    ['a negative length', post(['Content-Length: -1'], message), 'refused'],
    ['a hexadecimal length', post([`Content-Length: 0x${message.length.toString(16)}`], message), 'refused'],
    ['a length with a fraction', post([`${size}.0`], message), 'refused'],
    ['an empty length', post(['Content-Length:'], message), 'refused'],
    ['a length beyond 64 bits', post(['Content-Length: 18446744073709551617'], message), 'refused'],
    ['a space before the colon of the length', post([`Content-Length : ${message.length}`], message), 'refused'],
    ['a vertical tab in the length', post([`Content-Length: \v${message.length}`], message), 'refused'],

    ['Transfer-Encoding: xchunked', post(['Transfer-Encoding: xchunked'], inChunks), 'refused'],
    ['Transfer-Encoding: CHUNKED', post(['Transfer-Encoding: CHUNKED'], inChunks), 'refused'],
    ['Transfer-Encoding: identity', post(['Transfer-Encoding: identity'], message), 'refused'],
    ['Transfer-Encoding: identity, chunked', post(['Transfer-Encoding: identity, chunked'], inChunks), 'refused'],
    ['Transfer-Encoding: gzip, chunked', post(['Transfer-Encoding: gzip, chunked'], inChunks), 'refused'],
    ['Transfer-Encoding: chunked, identity', post(['Transfer-Encoding: chunked, identity'], inChunks), 'refused'],
    ['Transfer-Encoding: chunked, chunked', post(['Transfer-Encoding: chunked, chunked'], inChunks), 'refused'],
    ['chunked twice', post([chunked, chunked], inChunks), 'refused'],
    ['chunked and then identity', post([chunked, 'Transfer-Encoding: identity'], inChunks), 'refused'],
    ['identity and then chunked', post(['Transfer-Encoding: identity', chunked], inChunks), 'refused'],
    ['a quoted chunked', post(['Transfer-Encoding: "chunked"'], inChunks), 'refused'],
    ['chunked with a parameter', post(['Transfer-Encoding: chunked;q=1'], inChunks), 'refused'],
    ['a comma before chunked', post(['Transfer-Encoding: ,chunked'], inChunks), 'refused'],
    ['a vertical tab before chunked', post(['Transfer-Encoding: \vchunked'], inChunks), 'refused'],
    ['a space before the colon of chunked', post(['Transfer-Encoding : chunked'], inChunks), 'refused'],
    ['chunked on a line of its own', post(['Transfer-Encoding:', ' chunked'], inChunks), 'refused'],
    ['an empty Transfer-Encoding', post(['Transfer-Encoding:'], message), 'refused'],
    ['an empty Transfer-Encoding and a length', post(['Transfer-Encoding:', size], message), 'refused'],
    ['chunked in HTTP/1.0', post([chunked], inChunks).replace('HTTP/1.1', 'HTTP/1.0'), 'refused'],

    ['a chunk size with a sign', post([chunked], `+${inChunks}`), 'refused'],
    ['a chunk size with 0x', post([chunked], `0x${inChunks}`), 'refused'],
    ['a negative chunk size', post([chunked], `-${inChunks}`), 'refused'],
    ['a chunk size beyond 64 bits', post([chunked], `10000000000000000${inChunks}`), 'refused'],
    ['an empty chunk size', post([chunked], `\r\n${message}\r\n0\r\n\r\n`), 'refused'],
    ['a chunk that is longer than it says', post([chunked], `1\r\n${message}\r\n0\r\n\r\n`), 'refused'],
    ['a chunk that ends in LF', post([chunked], inChunks.replace(`${message}\r\n`, `${message}\n`)), 'refused'],
    ['a chunk size that ends in LF', post([chunked], inChunks.replace('\r\n', '\n')), 'refused'],
    ['a chunk size that ends in CR', post([chunked], inChunks.replace('\r\n', '\r')), 'refused'],
    ['a length in the trailers', post([chunked], inChunks.replace(/\r\n$/, 'Content-Length: 9\r\n\r\n')), 'refused'],
    ['a line break in a chunk extension', post([chunked], inChunks.replace('\r\n', ';a\nb\r\n')), 'refused'],

    // Answered before the body, whose length is unknown.
    [
      'a key in the trailers',
      line(`POST ${paths.post} HTTP/1.1`, 'Host: a', 'Content-Type: application/json', chunked) +
        inChunks.replace(/\r\n$/, `Authorization: Bearer ${key}\r\n\r\n`),
      '401 and the end',
    ],

    // Passed over.
    ['Upgrade: websocket', get('Connection: Upgrade', 'Upgrade: websocket'), '200 and the end'],
    ['Upgrade: h2c', get(...h2c), '200 and the end'],
    ['Upgrade without Connection', get('Upgrade: h2c'), '200 and the end'],
    ['Upgrade: h2c with a body', post([size, ...h2c], message), '201 and the end'],
    ['Upgrade: h2c with a body in chunks', post([chunked, ...h2c], inChunks), '201 and the end'],
    ['Upgrade: TLS/1.3, HTTP/3', get('Connection: upgrade', 'Upgrade: TLS/1.3, HTTP/3'), '200 and the end'],
    ['Upgrade twice', get(...h2c, 'Upgrade: websocket'), '200 and the end'],
    ['Upgrade and two lengths', post([size, size, ...h2c], message), 'refused'],
    ['Upgrade and two Hosts', get('Host: b', ...h2c), 'refused'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'refused'],
    ['HTTP/2.0 in the request line', get().replace('HTTP/1.1', 'HTTP/2.0'), 'refused'],
    ['HTTP/1.2', get().replace('HTTP/1.1', 'HTTP/1.2'), 'refused'],
    ['HTTP/1.10', get().replace('HTTP/1.1', 'HTTP/1.10'), 'refused'],
    ['http/1.1', get().replace('HTTP/1.1', 'http/1.1'), 'refused'],
    ['no version', `GET ${at}\r\n\r\n`, 'refused'],
    ['a method that nobody knows', get().replace('GET', 'GOT'), 'refused'],
    ['a method in small letters', get().replace('GET', 'get'), 'refused'],
    ['a tab in the request line', get().replace('GET ', 'GET\t'), 'refused'],

    ['a folded header', get('X-One: a', ' b'), 'refused'],
    ['a header without a colon', get('X-One'), 'refused'],
    ['a header without a name', get(': a'), 'refused'],
    ['a space in a name', get('X One: a'), 'refused'],
    ['a space before the first name', line(`GET ${at} HTTP/1.1`, ' Host: a'), 'refused'],
    ['a NUL in a value', get('X-One: a\0b'), 'refused'],
    ['a NUL in a name', get('X-\0ne: a'), 'refused'],
    ['a bare CR in a value', get('X-One: a\rHost: b'), 'refused'],
    ['a bare LF after a header', get('X-One: a\nX-Two: b'), 'refused'],
    ['bare LFs alone', get().replaceAll('\r\n', '\n'), 'refused'],
    ['more than a hundred headers', get(...lots(120)), 'refused'],
    ['more than 16 KB of headers', get(`X-One: ${'a'.repeat(20_000)}`), 'refused'],

    ['a length with leading zeros', post([`Content-Length: 000${message.length}`], message), 201],
    ['a length behind a tab', post([`Content-Length:\t${message.length}`], message), 201],
    ['a length in front of spaces', post([`${size}  `], message), 201],
    ['a length of 0 on a GET', get('Content-Length: 0'), 200],
    [
      'a chunk for each byte',
      post([chunked], `${[...message].map((byte) => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`),
      201,
    ],
    ['a last chunk of many zeros', post([chunked], inChunks.replace('\r\n0\r\n', '\r\n00000000\r\n')), 201],
    ['a quoted chunk extension', post([chunked], inChunks.replace('\r\n', ';a="b;c"\r\n')), 201],
    ['a Host in the trailers', post([chunked], inChunks.replace(/\r\n$/, 'Host: b\r\n\r\n')), 201],
    ['Trailer: Content-Length', post([chunked, 'Trailer: Content-Length'], inChunks), 201],
    ['Connection: Transfer-Encoding', post([chunked, 'Connection: Transfer-Encoding'], inChunks), 201],
    ['Connection: Host', get('Connection: Host'), 200],
    ['TE: chunked', get('TE: chunked'), 200],
    ['Content_Length beside the length', post([size, 'Content_Length: 0'], message), 201],
    ['Transfer_Encoding beside the length', post([size, 'Transfer_Encoding: chunked'], message), 201],
    ['X-Forwarded-Host', get('X-Forwarded-Host: b', 'Forwarded: host=b'), 200],
    ['letters beyond ASCII in a value', get('X-One: \x80\xff'), 200],
    ['a tab behind the colon', get('X-One:\ta'), 200],
    ['an empty value', get('X-One:'), 200],
    ['two slashes in front', target(`//b${at}`), 404],
    ['a path that climbs', target('/health/../health/live'), 404],
    ['an encoded slash', target('/health%2flive'), 404],
    ['an encoded line break and a header', target(`${at}%0d%0aHost:%20b`), 404],

    ['a length with a space inside', post([`Content-Length: ${message.length} 0`], message), 'refused'],
    ['a length with a semicolon', post([`${size};`], message), 'refused'],
    ['a length and an empty Transfer-Encoding behind it', post([size, 'Transfer-Encoding: '], message), 'refused'],
    ['a no-break space before chunked', post(['Transfer-Encoding: \xa0chunked'], inChunks), 'refused'],
    ['a backspace before chunked', post(['Transfer-Encoding: \bchunked'], inChunks), 'refused'],
    ['chunked cut by a NUL', post(['Transfer-Encoding: chunked\0'], inChunks), 'refused'],
    ['chunked, and a second one in another spelling', post([chunked, 'TRANSFER-ENCODING: x'], inChunks), 'refused'],
    ['a Transfer-Encoding of tabs', post(['Transfer-Encoding:\t\t', size], message), 'refused'],
    ['no line break behind a chunk', post([chunked], inChunks.replace(`${message}\r\n`, message)), 'refused'],
    ['a space before a chunk size', post([chunked], ` ${inChunks}`), 'refused'],
    ['an underscore in a chunk size', post([chunked], `0_${inChunks}`), 'refused'],
    [
      'chunked in the trailers',
      post([chunked], inChunks.replace(/\r\n$/, 'Transfer-Encoding: chunked\r\n\r\n')),
      'refused',
    ],
    ['a folded Host', line(`GET ${at} HTTP/1.1`, 'Host: a', ' b'), 'refused'],
    ['a version twice', get().replace('HTTP/1.1', 'HTTP/1.1 HTTP/1.1'), 'refused'],
    ['a space behind the version', get().replace('HTTP/1.1', 'HTTP/1.1 '), 'refused'],
    ['HTTP/0.9', get().replace('HTTP/1.1', 'HTTP/0.9'), 'refused'],
    ['a NUL in the target', target(`${at}\0`), 'refused'],
    ['a DEL in a value', get('X-One: a\x7fb'), 'refused'],
    ['a backspace in a name', get('X-O\bne: a'), 'refused'],
    ['a letter beyond ASCII in a name', get('X-\xd6ne: a'), 'refused'],
    ['a null byte in front', `\0${get()}`, 'refused'],
    ['a line in front that is none', `x\r\n${get()}`, 'refused'],
  ];
}

function lots(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `a${n}:1`);
}

import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../src/upstream/describe-failure.ts';

const coded = (code: string, cause?: Error) =>
  Object.assign(new Error(`words of a library ${code}`, { cause }), { code });

describe('the description of a failed call', () => {
  it.each([
    ['its name was not found', ['ENOTFOUND', 'EAI_AGAIN']],
    ['it takes no connections', ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']],
    ['no connection was made in time', ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']],
    [
      'no trusted TLS connection',
      ['CERT_HAS_EXPIRED', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_SSL_WRONG_VERSION'],
    ],
    ['is not HTTP', ['HPE_INVALID_CONSTANT', 'HPE_HEADER_OVERFLOW', 'UND_ERR_HEADERS_OVERFLOW']],
    [
      'before its answer was complete',
      ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'],
    ],
    ['could not be reached', ['UND_ERR_DESTROYED', 'ESOMETHING', 'X']],
  ])('is told as "%s", by side, without code or words of the library: %j', (words, codes) => {
    for (const code of codes) {
      for (const error of [coded(code), new Error('x', { cause: coded(code) }), new AggregateError([coded(code)])]) {
        const told = describeFailure(error, 'gateway');
        expect(told, code).toContain(words);
        expect(told).toMatch(/^the gateway [a-zA-Z: ]+$/);
        expect(describeFailure(error, 'control')).toContain("Maton's API for connections ");
      }
    }
  });

  it('exists for an error without a code as well', () => {
    const parser = Object.assign(new Error('x'), { name: 'HTTPParserError' });
    expect(describeFailure(parser, 'gateway')).toBe('the gateway answered something that is not HTTP');
    expect(describeFailure(new TypeError('fetch failed'), 'gateway')).toBe('the gateway could not be reached');
  });
});

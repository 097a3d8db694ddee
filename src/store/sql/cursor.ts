import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { keyFor } from './secret.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Lengths of nonce, tag and sequence number. */
const BYTES = NONCE_BYTES + TAG_BYTES + 8;

/** A cursor is valid only for the list and caller that it was issued for. */
export type ListName = readonly [
  list: 'sends' | 'broadcasts' | 'all sends' | 'all broadcasts' | 'unknown',
  caller?: string,
];

/**
 * A cursor contains the sequence number of a page's last row. It is encrypted and authenticated, because the number would
 * reveal how much all callers send. Every process on the same store accepts it.
 */
export class Cursors {
  readonly #key: KeyObject;

  constructor(secret: Buffer) {
    this.#key = keyFor('cursors', secret);
  }

  after(sequence: number, list: ListName): string {
    const plain = Buffer.alloc(8);
    plain.writeBigUInt64BE(BigInt(sequence));
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES }).setAAD(nameOf(list));
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** Throws RangeError. */
  sequenceOf(cursor: string, list: ListName): number {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.length !== BYTES || bytes.toString('base64url') !== cursor) throw malformed();
    const [nonce, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)];
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(nameOf(list)).setAuthTag(tag);
    const plain = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    try {
      decipher.final();
    } catch (cause) {
      throw malformed(cause);
    }
    return Number(plain.readBigUInt64BE());
  }

  before({ cursor }: { cursor?: string }, list: ListName): { before?: number } {
    return cursor === undefined ? {} : { before: this.sequenceOf(cursor, list) };
  }

  next(sequence: number | undefined, list: ListName): { next?: string } {
    return sequence === undefined ? {} : { next: this.after(sequence, list) };
  }
}

const nameOf = (list: ListName): Buffer => Buffer.from(JSON.stringify(list));
const malformed = (cause?: unknown) => new RangeError('malformed cursor', { cause });

import { createCipheriv, createDecipheriv, createSecretKey, hash, hkdfSync, type KeyObject } from 'node:crypto';
import { createHmacSha256 } from '../lib/hmac-sha256.ts';

const CIPHER = 'aes-256-gcm';
const DATABASE_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEQ_BYTES = 8;
const CHECK_BYTES = 4;
/** Part of the checksum, so that a cursor of another format is not accepted. */
const MARK = Buffer.from('event cursor');
/** A multiple of three, so that each text decodes to bytes in exactly one way. */
const BYTES = DATABASE_BYTES + NONCE_BYTES + TAG_BYTES + SEQ_BYTES + CHECK_BYTES;

/** A position in this caller's events, a cursor of another database, or text that is not a cursor of this caller. */
export type CursorReading = { seq: number } | 'foreign-database' | 'malformed';

/**
 * A cursor is a place in the events of one caller: everything up to a number has been read. The number is encrypted, because it
 * tells how much all callers do, and the same number always gives the same text, because an event has the same bytes everywhere:
 * the nonce is derived from caller and number, so none is used for two of them.
 *
 * The keys come from the epoch of the database, a random text that is kept in it and never shown. A cursor of another database
 * cannot be decrypted, so the database has a mark in front of it, and a check sum tells a cursor from any other text.
 */
export class EventCursors {
  readonly #key: KeyObject;
  readonly #nonceOf: (text: string) => string;
  readonly #database: Buffer;

  constructor(epoch: string) {
    this.#key = createSecretKey(derived(epoch, 'encryption', 32));
    this.#nonceOf = createHmacSha256(derived(epoch, 'nonces', 32));
    this.#database = derived(epoch, 'database', DATABASE_BYTES);
  }

  at(caller: string, seq: number): string {
    const plain = Buffer.alloc(SEQ_BYTES);
    plain.writeBigUInt64BE(BigInt(seq));
    const nonce = Buffer.from(this.#nonceOf(`${seq} ${caller}`), 'base64url').subarray(0, NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(caller));
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    const bytes = Buffer.concat([this.#database, nonce, cipher.getAuthTag(), sealed]);
    return Buffer.concat([bytes, checkOf(bytes)]).toString('base64url');
  }

  read(caller: string, cursor: string): CursorReading {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.length !== BYTES || bytes.toString('base64url') !== cursor) return 'malformed';
    const covered = bytes.subarray(0, BYTES - CHECK_BYTES);
    if (!checkOf(covered).equals(bytes.subarray(BYTES - CHECK_BYTES))) return 'malformed';
    if (!covered.subarray(0, DATABASE_BYTES).equals(this.#database)) return 'foreign-database';
    return this.#decrypted(caller, covered.subarray(DATABASE_BYTES));
  }

  #decrypted(caller: string, bytes: Buffer): CursorReading {
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const sealed = bytes.subarray(NONCE_BYTES + TAG_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(caller)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const plain = decipher.update(sealed);
    try {
      decipher.final();
    } catch {
      // Issued to another caller, or not issued at all.
      return 'malformed';
    }
    return { seq: Number(plain.readBigUInt64BE()) };
  }
}

const derived = (epoch: string, use: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync('sha256', epoch, '', `event cursors: ${use}`, bytes));

const checkOf = (bytes: Buffer): Buffer =>
  hash('sha256', Buffer.concat([MARK, bytes]), 'buffer').subarray(0, CHECK_BYTES);

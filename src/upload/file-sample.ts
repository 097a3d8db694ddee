import { SNIFF_BYTES, sampleEnd } from './signature.ts';

/** The first bytes of a file, kept until they show what it is. They are copies, because tiny chunks cost more memory than they hold. */
export class FileSample {
  readonly #hasTags: boolean;
  #memory = Buffer.allocUnsafeSlow(2 * SNIFF_BYTES);
  #length = 0;
  /** The bytes that are needed, as far as is known: the length of a tag before audio is known only once it begins. */
  #needed = SNIFF_BYTES;

  /** @param hasTags whether the file may be audio, which may begin with tags */
  constructor(hasTags: boolean) {
    this.#hasTags = hasTags;
  }

  /** All bytes that were added. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** Bytes needed to recognize the file. */
  get firstBytes(): Buffer {
    return this.bytes.subarray(0, this.#end());
  }

  get isComplete(): boolean {
    if (this.#length < this.#needed) return false;
    this.#needed = this.#end();
    return this.#length >= this.#needed;
  }

  add(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#memory.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#needed));
      this.bytes.copy(larger);
      this.#memory = larger;
    }
    bytes.copy(this.#memory, this.#length);
    this.#length = length;
  }

  #end(): number {
    return this.#hasTags ? sampleEnd(this.bytes) : SNIFF_BYTES;
  }
}

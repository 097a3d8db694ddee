/**
 * The caller's chunks on their way out, given back to the system as soon as they are through. Left to the garbage
 * collector, the 64 KB blocks of the uploads would make it search the whole heap for every few dozen megabytes: half of
 * an upload's CPU time, and most of its memory.
 *
 * A chunk that is given back must not be read again by anyone: neither here nor by the kernel.
 */
export class SpentChunks {
  readonly #chunks: { chunk: Buffer; upTo: number }[] = [];

  /** @param upTo how many bytes have to be through before nothing of this chunk is needed any more */
  add(chunk: Buffer, upTo: number): void {
    this.#chunks.push({ chunk, upTo });
  }

  release(bytesThrough: number): void {
    for (;;) {
      const first = this.#chunks[0];
      if (first === undefined || first.upTo > bytesThrough) return;
      this.#chunks.shift();
      const { buffer, byteLength } = first.chunk;
      // A view on a part may have neighbours that are in use: those are left to the collector.
      if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
    }
  }
}

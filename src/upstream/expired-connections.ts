import { saysConnectionExpired } from './answers/known-refusals.ts';
import { reasonOf } from './answers/reason.ts';
import { parseJson } from './tolerant-reader.ts';
import type { HttpResponse } from './types.ts';

/** Other connections than those of callers are not kept. */
const keptMax = 100;

/**
 * Connections of which the upstream says that they have expired, while Maton lists them as active. One counts again as soon as a
 * call over it succeeds.
 */
export class ExpiredConnections {
  readonly #expired = new Set<string>();

  heard(connection: string, { status, text, containedKey }: HttpResponse): void {
    if (status >= 200 && status < 300) this.#expired.delete(connection);
    else if (status >= 400 && !containedKey && this.#expired.size < keptMax) {
      if (saysConnectionExpired(reasonOf(parseJson(text), text))) this.#expired.add(connection);
    }
  }

  /** Of some connections at least, and of all of them. */
  isEvery(connections: readonly string[]): boolean {
    return connections.length > 0 && connections.every((id) => this.#expired.has(id));
  }
}

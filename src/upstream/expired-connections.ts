import { saysConnectionExpired } from './answers/known-refusals.ts';
import { reasonOf } from './answers/reason.ts';
import { parseJson } from './tolerant-reader.ts';
import type { HttpResponse } from './types.ts';

/** The most connections that are remembered. */
const keptMax = 100;

/**
 * Connections that the upstream reports as expired while Maton lists them as active. A connection is removed when a call over
 * it succeeds.
 */
export class ExpiredConnections {
  readonly #expired = new Set<string>();

  heard(connection: string, { status, text, containedKey }: HttpResponse): void {
    if (status >= 200 && status < 300) this.#expired.delete(connection);
    else if (status >= 400 && !containedKey && this.#expired.size < keptMax) {
      if (saysConnectionExpired(reasonOf(parseJson(text), text))) this.#expired.add(connection);
    }
  }

  /** Whether some connections, or all of them, are expired. */
  isEvery(connections: readonly string[]): boolean {
    return connections.length > 0 && connections.every((id) => this.#expired.has(id));
  }
}

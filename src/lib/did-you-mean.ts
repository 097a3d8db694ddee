/** `; did you mean x?` with the known word that is most similar to a misspelt one; empty if none is similar. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** The known word that differs in the fewest letters, at most a third of them. Compared without case. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: { word: string; steps: number } | undefined;
  // Longer words are not compared: the cost is the product of the lengths.
  if (word.length > 64) return undefined;
  for (const each of known) {
    const most = Math.max(1, Math.floor(each.length / 4));
    if (Math.abs(word.length - each.length) > most) continue;
    const steps = distance(word.toLowerCase(), each.toLowerCase());
    if (steps <= most && (best === undefined || steps < best.steps)) {
      best = { word: each, steps };
    }
  }
  return best?.word;
}

/** Whether two words differ in at most this many letters. */
export const isNear = (one: string, other: string, most: number): boolean =>
  Math.abs(one.length - other.length) <= most && distance(one, other) <= most;

/** The number of letters to insert, delete, change or swap with their neighbour. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let steps = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) steps = Math.min(steps, (beforeLast[column - 2] ?? 0) + 1);
      current.push(steps);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}

import type { Lane } from '../store/port.ts';
import type { Hold } from './holds.ts';

export type TellHold = (lane: Lane, hold: Hold | undefined) => void;

/** Which lanes are held and why, so that it is told once when that begins, changes or is over. */
export class HeldLanes {
  readonly #tell: TellHold;
  readonly #codes = new Map<string, Hold['code']>();

  constructor(tell: TellHold = () => {}) {
    this.#tell = tell;
  }

  note(lane: Lane, hold: Hold | undefined): void {
    const name = nameOf(lane);
    if (hold?.code !== this.#codes.get(name)) this.#tell(lane, hold);
    if (hold) this.#codes.set(name, hold.code);
    else this.#codes.delete(name);
  }

  /** The others have nothing left, and are forgotten without a word. */
  keepOnly(lanes: readonly Lane[]): void {
    const names = new Set(lanes.map(nameOf));
    for (const name of this.#codes.keys()) if (!names.has(name)) this.#codes.delete(name);
  }
}

const nameOf = ({ caller, connectionId }: Lane): string => JSON.stringify([caller, connectionId]);

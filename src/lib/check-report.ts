/** The result of a step in words; a fault comes with its remedy. */
export type Finding = { fine: string } | { fault: string; remedy: string };

/** A step that takes longer than this is announced, so that the operator sees what is slow. */
const slowAfterMs = 2_000;

export interface ReportOptions {
  /** The finding for a step that threw. */
  faultOf: (error: unknown) => Finding;
  print: (line: string) => void;
  /** Called for a slow step. */
  notify: (line: string) => void;
}

/** Prints one line a step. */
export function createReport({ faultOf, print, notify }: ReportOptions) {
  let faults = 0;
  const line = (word: string, name: string, text: string) =>
    print(`${word.padEnd(5)} ${name.padEnd(12)} ${text.replaceAll('\n', `\n${' '.repeat(19)}`)}`);
  return {
    /** Runs a step and prints its result. Returns whether it found no fault; a step that throws has one. */
    async step(name: string, find: () => Finding | Promise<Finding>): Promise<boolean> {
      const waiting = setTimeout(() => notify(`...   ${name}: still waiting for an answer`), slowAfterMs);
      const finding = await new Promise<Finding>((resolve) => resolve(find())).catch(faultOf);
      clearTimeout(waiting);
      if ('fine' in finding) line('ok', name, finding.fine);
      else {
        faults += 1;
        line('FAIL', name, `${finding.fault}\n-> ${finding.remedy}`);
      }
      return 'fine' in finding;
    },
    skip(names: string[], why: string) {
      for (const name of names) line('skip', name, why);
    },
    allFine() {
      print(faults === 0 ? '\nAll is well.' : `\n${faults} of these must be mended; nothing was sent.`);
      return faults === 0;
    },
  };
}

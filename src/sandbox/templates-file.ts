import { readFileSync } from 'node:fs';
import { readTemplates } from '../simulator/given-templates.ts';

/** Reads the templates of a file. Throws with its faults in words. */
export function templatesFromFile(path: string): Exclude<ReturnType<typeof readTemplates>, string> {
  const given = readTemplates(read(path));
  if (typeof given === 'string') throw new Error(`${path}: ${given}`);
  return given;
}

function read(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

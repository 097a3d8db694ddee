import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Why a file stands as it was. */
export class EditRefused extends Error {
  override readonly name = 'EditRefused';
}

interface ReplaceOptions<Content> {
  /** Reads the new text as the service reads it; throws where it has faults. */
  check: (text: string) => Content;
  /** A file that is not there is made. */
  create?: boolean;
  /** Who changes it, for those who meet at it. */
  program: string;
}

/**
 * Replaces a file as a whole, so that a service reads the old one or the new one and nothing in between; owner and mode stay.
 * `change` gets the old text, or undefined where there is none. Throws, and leaves the file alone, where anything fails.
 */
export function replaceFile<Content>(
  path: string,
  change: (text: string | undefined) => string,
  { check, create = false, program }: ReplaceOptions<Content>,
): Content {
  const old = create ? statSync(path, { throwIfNoEntry: false }) : statSync(path);
  // A link stays one: what it points to is replaced.
  const target = old ? realpathSync(path) : path;
  const draft = join(dirname(target), `.${basename(target)}.new`);
  const file = claim(draft, program);
  try {
    const text = change(old ? readFileSync(target, 'utf8') : undefined);
    const content = check(text);
    writeFileSync(file, text);
    if (old) {
      const own = fstatSync(file);
      if (own.uid !== old.uid || own.gid !== old.gid) fchownSync(file, old.uid, old.gid);
      fchmodSync(file, old.mode & 0o7777);
    }
    fsyncSync(file);
    renameSync(draft, target);
    return content;
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** One at a time: of two that read the same version, the later would bring back what the first took out. */
function claim(draft: string, program: string): number {
  try {
    return openSync(draft, 'wx', 0o600);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new EditRefused(`another ${program} changes it now; if none does, one was killed: remove ${draft}`);
  }
}

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

/** The reason for which the file was not changed. */
export class EditRefused extends Error {
  override readonly name = 'EditRefused';
}

interface ReplaceOptions<Content> {
  /** Parses the new text as the service does; throws if it has faults. */
  check: (text: string) => Content;
  /** Creates the file if it does not exist. */
  create?: boolean;
  /** The name of the program, which a concurrent one sees. */
  program: string;
}

/**
 * Replaces a file atomically, so that a service reads either the old or the new version; owner and mode are kept. `change` gets
 * the old text, or undefined if there is no file. Throws and leaves the file unchanged if anything fails.
 */
export function replaceFile<Content>(
  path: string,
  change: (text: string | undefined) => string,
  { check, create = false, program }: ReplaceOptions<Content>,
): Content {
  const old = create ? statSync(path, { throwIfNoEntry: false }) : statSync(path);
  // A symbolic link is kept, and its target is replaced.
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

/** One program at a time: of two that read the same version, the later would undo the change of the first. */
function claim(draft: string, program: string): number {
  try {
    return openSync(draft, 'wx', 0o600);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new EditRefused(`another ${program} changes it now; if none does, one was killed: remove ${draft}`);
  }
}

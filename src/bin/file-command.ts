import { ListFileFault } from '../callers/list-file.ts';
import { EditRefused } from '../lib/replace-file.ts';

/** The options of every program that edits a file of secrets. */
export const fileOptions = {
  add: { type: 'string' },
  revoke: { type: 'string' },
  list: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

interface FileValues {
  add?: string | undefined;
  revoke?: string | undefined;
  list?: string | undefined;
  help: boolean;
}

/** The options, the first positional argument (empty if absent) and the others, which no program accepts. */
export type FileArguments<Values> = Values & { first: string; more: string[] };

/** Faults, each with whether it applies. */
export type Faults = [isAtFault: boolean, fault: string][];

interface FileCommand<Values> {
  usage: string;
  /** The noun of what is created, such as "key". */
  creates: string;
  parse: () => { values: Values; positionals: string[] };
  faults: (given: FileArguments<Values>) => string[];
  /** Makes the change, and returns what is printed. */
  run: (given: FileArguments<Values>) => string;
}

/** Runs a program that edits one file of secrets. Exit codes: 0 done, 1 the file is unchanged, 2 the arguments are wrong. */
export function runFileCommand<Values extends FileValues>(command: FileCommand<Values>): void {
  try {
    process.exitCode = run(command);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${command.usage}`);
    process.exitCode = 2;
  }
}

function run<Values extends FileValues>(command: FileCommand<Values>): number {
  const { values, positionals } = command.parse();
  if (values.help) {
    console.log(command.usage);
    return 0;
  }
  const [first = '', ...more] = positionals;
  const given = { ...values, first, more };
  const faults = command.faults(given);
  if (faults.length > 0) {
    console.error(
      `Nothing was done, and no ${command.creates} was made:\n  - ${faults.join('\n  - ')}\n\n${command.usage}`,
    );
    return 2;
  }
  const file = values.list ?? values.revoke ?? values.add;
  try {
    console.log(command.run(given));
    return 0;
  } catch (error) {
    // Without a file, a faulty entry is a fault of the arguments.
    if (file === undefined || !concernsFile(error)) throw error;
    console.error(`${file} stands as it was: ${reasonOf(error)}`);
    return 1;
  }
}

const concernsFile = (error: unknown): boolean =>
  error instanceof EditRefused || error instanceof ListFileFault || (error instanceof Error && 'syscall' in error);

const reasonOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);

/** Faults in the options that every program has. */
export function fileFaults({ add, revoke, list }: FileValues): Faults {
  const files = Object.entries({ '--add': add, '--revoke': revoke, '--list': list }).filter(
    ([, file]) => file !== undefined,
  );
  return [
    [files.length > 1, `one of ${files.map(([option]) => option).join(', ')}, not several`],
    ...files.map(([option, file]): [boolean, string] => [file === '', `${option} names no FILE`]),
  ];
}

/** Faults in an option that names a secret by the beginning of its hash. */
export const idFaults = (option: string, id: string | undefined, { isRevoking, hint }: IdContext): Faults => [
  [id !== undefined && !isRevoking, `${option} goes with --revoke`],
  [
    id !== undefined && !/^[0-9a-fA-F]{8,64}$/.test(id),
    `${option} must be the first 8 hexadecimal digits of a hash, or more: ${hint}`,
  ],
];

interface IdContext {
  isRevoking: boolean;
  hint: string;
}

export const isEntryName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);

export const applying = (faults: Faults): string[] =>
  faults.flatMap(([isAtFault, fault]) => (isAtFault ? [fault] : []));

/** A table with headings, its columns as wide as their longest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns - 1 }, (_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')).join('\n');
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

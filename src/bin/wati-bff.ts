/** What `docker run IMAGE ...` starts: the first word names a program, no word means the service. */
interface Program {
  readonly does: string;
  readonly takes?: string;
  readonly run: () => Promise<unknown>;
}

const programs = new Map<string, Program>([
  ['serve', { does: 'the service, with the settings of the environment (default)', run: () => import('./server.ts') }],
  ['sandbox', { does: 'the service in front of a simulated Maton and WATI', run: () => import('./sandbox.ts') }],
  [
    'client-key',
    {
      does: 'makes a key for a caller, and its entry for CLIENTS_FILE',
      takes: 'NAME --scopes a,b',
      run: () => import('./client-key.ts'),
    },
  ],
]);

const lines = [...programs].map(
  ([name, { takes, does }]) => `  ${[name, takes].filter(Boolean).join(' ').padEnd(30)} ${does}`,
);
const usage = `wati-bff [COMMAND]\n\n${lines.join('\n')}`;

async function main([name = 'serve', ...rest]: readonly string[]): Promise<void> {
  const program = programs.get(name);
  if (name === '--help' || name === '-h') {
    console.log(usage);
  } else if (program === undefined || (rest.length > 0 && program.takes === undefined)) {
    // Words that would be ignored are refused: `serve --port 80` must not come up on another port.
    console.error(`wati-bff: ${program ? `${name} takes no arguments` : `no such command: ${name}`}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    // Each program reads its own arguments, as if it had been started itself; and it is loaded only when it is asked for.
    process.argv.splice(2, 1);
    for (const signal of ['SIGTERM', 'SIGINT']) endUntilTakenOver(signal);
    await program.run();
  }
}

/** Pid 1 does not die of a signal that it does not handle: one that comes before the program listens ends it here. */
function endUntilTakenOver(signal: string): void {
  process.once(signal, () => {
    if (process.listenerCount(signal) === 0) process.exit(0);
  });
}

await main(process.argv.slice(2));

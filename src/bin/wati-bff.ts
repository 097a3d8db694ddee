/** The entry point of `docker run IMAGE ...`: the first word names a program; without one the service is started. */
interface Program {
  readonly does: string;
  /** Its arguments; the program reads them itself, `--help` included. */
  readonly takes?: string;
  /** The line of `--help` after `does`. */
  readonly help?: string;
  readonly run: () => Promise<unknown>;
}

const programs = new Map<string, Program>([
  [
    'serve',
    {
      does: 'the service, with the settings of the environment (default)',
      help: `Needs MATON_API_KEY (or MATON_API_KEY_FILE) and CLIENTS_FILE; every other setting has a default (docs/settings.md).
SIGTERM lets what is under way end. Exit codes: 0 ended as asked, 1 could not start.`,
      run: () => import('./server.ts'),
    },
  ],
  [
    'sandbox',
    {
      does: 'the service in front of a simulated Maton and WATI',
      takes: '[--seed SEED] [--templates FILE] [--webhooks URL]',
      help: `Needs nothing and sends nothing: no account, no key. Listens on HOST and PORT (127.0.0.1, 3000), the simulated
gateway on the next free port. Prints its addresses and a key, and "Ready:" when it is. Nothing is kept. With a SEED (or
SANDBOX_SEED) its ids are the same in each run. The simulated WATI tells what becomes of
messages by webhooks; --webhooks (or SANDBOX_WEBHOOKS_URL) names another intake for them. GET /_sandbox lists how tests reset and steer it. The other settings are
those of the service. Exit codes: 0 ended as asked, 1 could not start, 2 wrong arguments.`,
      run: () => import('./sandbox.ts'),
    },
  ],
  [
    'check',
    {
      does: 'tries settings, callers, store, key and connection, and says what is wrong',
      help: `Takes the settings of the service, sends nothing, prints no secret; may be run beside the service.
A line for each: ok, FAIL with a remedy, or skip. Exit codes: 0 all is well, 1 something is wrong.`,
      run: () => import('./check.ts'),
    },
  ],
  [
    'client-key',
    {
      does: 'makes keys for callers, lists and revokes them; --help tells how',
      takes: 'NAME --scopes a,b ...',
      run: () => import('./client-key.ts'),
    },
  ],
  [
    'erase',
    {
      does: 'finds what is kept of one person, prints or erases it',
      takes: 'NUMBER [--dry-run|--export]',
      run: () => import('./erase.ts'),
    },
  ],
  [
    'intake-token',
    {
      does: "makes secret addresses for WATI's webhooks, lists and revokes them; --help tells how",
      takes: 'CONNECTION_ID ...',
      run: () => import('./intake-token.ts'),
    },
  ],
  [
    'intake-retry',
    {
      does: 'tries again what could not be applied of webhooks',
      takes: '[--help]',
      run: () => import('./intake-retry.ts'),
    },
  ],
]);

const lines = [...programs].map(
  ([name, { takes, does }]) => `  ${[name, takes].filter(Boolean).join(' ').padEnd(30)} ${does}`,
);
const usage = `wati-bff [COMMAND]\n\n${lines.join('\n')}\n\nwati-bff COMMAND --help tells more.`;

const asksForHelp = (word: string | undefined) => word === '--help' || word === '-h';

async function main([name = 'serve', ...rest]: readonly string[]): Promise<void> {
  const program = programs.get(name);
  if (asksForHelp(name)) {
    console.log(usage);
  } else if (program?.help !== undefined && asksForHelp(rest[0])) {
    console.log(`wati-bff ${name}: ${program.does}\n\n${program.help}`);
  } else if (program === undefined || (rest.length > 0 && program.takes === undefined)) {
    // Refuses words that would be ignored: `serve --port 80` must not come up on another port.
    console.error(`wati-bff: ${program ? `${name} takes no arguments` : `no such command: ${name}`}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    // Each program reads its own arguments, as if it had been started directly, and is loaded only if it is named.
    process.argv.splice(2, 1);
    for (const signal of ['SIGTERM', 'SIGINT']) endUntilTakenOver(signal);
    await program.run();
  }
}

/** A process with pid 1 ignores signals without a handler. This handles signals that arrive before the program listens. */
function endUntilTakenOver(signal: string): void {
  process.once(signal, () => {
    if (process.listenerCount(signal) === 0) process.exit(0);
  });
}

await main(process.argv.slice(2));

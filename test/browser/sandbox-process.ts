import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { compileCache } from '../support/compile-cache.ts';

export interface SandboxProcess {
  url: string;
  key: string;
  /** Returns the log so far. */
  log: () => string;
  close: () => Promise<void>;
}

/** Starts `npm run sandbox` with these settings. */
export async function startSandboxProcess(settings: Record<string, string> = {}): Promise<SandboxProcess> {
  const child = spawn(process.execPath, ['src/bin/sandbox.ts'], {
    env: { PATH: process.env.PATH, PORT: '0', ...compileCache, ...settings },
  });
  let logged = '';
  child.stderr.on('data', (chunk) => {
    logged += chunk;
  });
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += chunk;
    if (printed.includes('Ctrl-C')) break;
  }
  return {
    url: /^ {2}Docs +(http:\/\/[\d.:]+)\//m.exec(printed)?.[1] ?? '',
    key: /^ {2}Key +(\S+)/m.exec(printed)?.[1] ?? '',
    log: () => logged,
    close: async () => {
      const end = once(child, 'close');
      child.kill('SIGTERM');
      await end;
    },
  };
}

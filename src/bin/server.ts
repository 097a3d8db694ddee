import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import { type Logger, pino } from 'pino';
import { callersFromFile, type FileChange } from '../callers/follow.ts';
import type { Callers } from '../callers.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { listen } from '../http/listen.ts';
import { type IntakeTokens, type TokensChange, tokensFromFile } from '../intake/tokens.ts';
import { collectAllGarbage } from '../lib/collect-garbage.ts';
import { createLogger } from '../observability/logger.ts';
import { logStart } from '../observability/start-line.ts';
import { openRecords } from '../records.ts';
import { errorCode } from '../task-error-code.ts';
import { openTracing } from '../tracing/tracing.ts';
import { version } from '../version.ts';
import { followKey, followSigningKeys, hideSecrets, reasonOf } from './followed-secrets.ts';

/** `npm start`: the service, with the settings of the environment. Exit code 1: the settings are at fault. */
async function serve(config: Config) {
  // Buffered, because a system call costs more than formatting a line: under load one write contains about sixty lines.
  // The buffer is flushed every 100 ms, and when the process ends.
  const buffered = { minLength: 32_768, maxWrite: 65_536, periodicFlush: 100, maxLength: logBytesMax };
  const stream = pino.destination({ sync: false, contentMode: 'buffer', ...buffered });
  // If the log is not read, lines that exceed the buffer are lost and counted, so that memory is left for sends.
  let linesDropped = 0;
  stream.on('drop', () => {
    linesDropped += 1;
  });
  const hidden = hideSecrets(config);
  const logger = createLogger(config.LOG_LEVEL, hidden.list, inBytes(stream));
  const { callers, intakeTokens } = followFiles(config, logger);
  const key = followKey(config, hidden, logger);
  const signingKeys = followSigningKeys(hidden, logger);
  // A diagnostic report contains the environment, and thereby the key.
  Object.assign(process.report, { excludeEnv: true, excludeNetwork: true });
  const tracing = await openTracing(process.env, {
    version,
    onFault: (error) => logger.warn({ task: 'traces', reason: faultName(error) }, 'task failed'),
  });
  // The store opens in its thread while the rest of the service is loaded, which takes about as long.
  const records = openRecords(config);
  const { buildApp } = await import('../app.ts');
  const app = await buildApp(config, {
    callers,
    records,
    logger,
    linesDropped: () => linesDropped,
    onListening: (readiness) => logStart(logger, { version, config, callers, readiness, origin: app.listeningOrigin }),
    ...(key && { matonKey: key.current }),
    ...(signingKeys && { signingKeys: signingKeys.current }),
    ...(intakeTokens && { intake: { tokens: intakeTokens } }),
    ...(tracing && { tracing }),
  });
  closeWithGrace({ delay: config.SHUTDOWN_TIMEOUT_MS, logger }, async ({ err }) => {
    if (err) logger.fatal({ reason: errorCode(err), stack: framesOf(err) }, 'a fault ends the process');
    await app.close();
    await tracing?.close();
    key?.close();
    signingKeys?.close();
    logger.flush();
  });
  // Loading leaves about 20 MB of garbage, and an idle replica would keep it.
  collectAllGarbage();
  // Node's default of 511 is less than the connections of a flood: the kernel drops the rest, and clients retry only seconds
  // later.
  try {
    await listen(app, { host: config.HOST, port: config.PORT, backlog: 4_096 });
  } catch (error) {
    // Waits for messages that were resumed at the start, so that none of them becomes unknown because the port is in use.
    await Promise.race([app.close().catch(() => {}), sleep(config.SHUTDOWN_TIMEOUT_MS)]);
    stream.flushSync();
    throw error;
  }
}

/** Given text, SonicBoom joins and measures everything that is buffered with each further line. Its types name text only. */
function inBytes(stream: ReturnType<typeof pino.destination>) {
  const bytes: { write(line: string | Buffer): boolean } = stream;
  return {
    write: (line: string) => bytes.write(Buffer.from(line)),
    flush: () => stream.flush(),
    flushSync: () => stream.flushSync(),
  };
}

/** The most log that is buffered for a slow reader. */
const logBytesMax = 4 * 1024 * 1024;

/** The files that are followed, once all of them can be read. */
function followFiles(config: Config, logger: Logger): { callers: Callers; intakeTokens?: IntakeTokens } {
  const faults: string[] = [];
  const open = <File>(setting: string, follow: () => File): File | undefined => {
    try {
      return follow();
    } catch (error) {
      faults.push(`${setting}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const { CLIENTS_FILE, INTAKE_TOKENS_FILE: path } = config;
  const callers = open('CLIENTS_FILE', () =>
    callersFromFile(CLIENTS_FILE, { onChange: (change) => logCallersChange(logger, change) }),
  );
  const intakeTokens =
    path === undefined
      ? undefined
      : open('INTAKE_TOKENS_FILE', () =>
          tokensFromFile(path, { onChange: (change) => logTokensChange(logger, change) }),
        );
  if (callers === undefined || faults.length > 0) throw new ConfigError(faults);
  return { callers, ...(intakeTokens && { intakeTokens }) };
}

function logTokensChange(logger: Logger, change: TokensChange | { error: Error }): void {
  if ('error' in change) {
    logger.error({ reason: reasonOf(change.error) }, 'INTAKE_TOKENS_FILE has faults; the old version stays');
    return;
  }
  logger.info({ audit: true, act: 'intake-tokens-changed', ...change }, 'INTAKE_TOKENS_FILE was read again');
}

function logCallersChange(logger: Logger, change: FileChange): void {
  if ('error' in change) {
    logger.error({ reason: reasonOf(change.error) }, 'CLIENTS_FILE has faults; the old version stays');
    return;
  }
  logger.info({ callers: change.callers }, 'CLIENTS_FILE was read again');
  for (const each of change.changes) logger.info({ audit: true, act: 'callers-changed', ...each }, 'audit');
}

/** Where an error was thrown. Without its message, which may quote customers or the database. */
const framesOf = ({ stack = '' }: Error): string[] => stack.match(/(?<=^ +at ).+$/gm)?.slice(0, 8) ?? [];

/** Not the message, which may quote the collector's answer. */
const faultName = (error: unknown): string => (error instanceof Error ? error.name : 'unknown');

function startupFault(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

try {
  await serve(loadConfig(process.env, process.execArgv));
} catch (error) {
  console.error(startupFault(error));
  // Exits explicitly: open handles would keep the process alive, or it would end with code 0.
  process.exit(1);
}

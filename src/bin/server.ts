import closeWithGrace from 'close-with-grace';
import { type Logger, pino } from 'pino';
import { buildApp } from '../app.ts';
import { type Callers, callersFromFile } from '../callers.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { createLogger } from '../logger.ts';

/** `npm start`: the service, with the settings of the environment. Exit code 1: the settings are at fault. */
async function serve(config: Config) {
  // A write to the kernel for each line would cost more than the line. What is left goes out when the process ends.
  const stream = pino.destination({ sync: false, minLength: 8_192, periodicFlush: 100 });
  const logger = createLogger(config.LOG_LEVEL, [config.MATON_API_KEY], stream);
  const callers = followCallers(config.CLIENTS_FILE, logger);
  const app = await buildApp(config, { callers, logger });
  closeWithGrace({ delay: config.SHUTDOWN_TIMEOUT_MS, logger }, async () => {
    await app.close();
    logger.flush();
  });
  await app.listen({ host: config.HOST, port: config.PORT });
}

function followCallers(path: string, logger: Logger): Callers {
  try {
    return callersFromFile(path, (change) => {
      if ('error' in change)
        logger.error({ reason: change.error.message }, 'CLIENTS_FILE has faults; the old version stays');
      else logger.info(change, 'CLIENTS_FILE was read again');
    });
  } catch (error) {
    throw new ConfigError([`CLIENTS_FILE: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function startupFault(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

try {
  await serve(loadConfig(process.env));
} catch (error) {
  console.error(startupFault(error));
  process.exitCode = 1;
}

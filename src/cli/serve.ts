/** What `streamgate serve` does: the gateway, from its start to the signal that ends it. */

import { fileURLToPath } from 'node:url';
import { type Config, loadConfig } from '../config/settings.js';
import { StartError } from '../config/start-error.js';
import { createLogger, type Logger } from '../system/logger.js';
import { reloadOnSignal, type Stoppable, stopOnSignal } from './gateway-signals.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** Failures that are the user's to mend are told in a sentence, and the exit code. */
export async function serveUntilStopped(given: Record<string, string | undefined>): Promise<void> {
  try {
    const config = loadConfig(given);
    const logger = createLogger(config.LOG_LEVEL);
    const starting = start(config, logger);
    stopOnSignal(starting, (signal) => logger.info({ signal }, 'stopping'));
    reloadOnSignal(starting, config);
    await starting;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    console.error(`streamgate: ${error.message}`);
    process.exitCode = 1;
  }
}

/** Loads what the one or the other needs: a supervisor is small. */
async function start(config: Config, logger: Logger): Promise<Stoppable> {
  if (config.WORKERS === 1) {
    const { startGateway } = await import('../gateway.js');
    return startGateway(config, logger);
  }
  const { Supervisor } = await import('../supervisor/supervisor.js');
  return Supervisor.start({ config, logger, program: WORKER });
}

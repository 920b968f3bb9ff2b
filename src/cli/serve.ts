/** What `streamgate serve` does: the gateway, from its start to the signal that ends it. */
import { type Config, loadConfig } from '../config/settings.js';
import { StartError } from '../config/start-error.js';
import { type Gateway, startGateway } from '../gateway.js';
import { createLogger } from '../system/logger.js';

/** How long the threads may take to end, once nobody wants to wait any more. */
const ABORT_MS = 500;

/** Failures that are the user's to mend are told in a sentence, and the exit code. */
export async function serveUntilStopped(given: Record<string, string | undefined>): Promise<void> {
  try {
    const config = loadConfig(given);
    const logger = createLogger(config.LOG_LEVEL);
    const starting = startGateway(config, logger);
    stopOnSignal(starting, (signal) => logger.info({ signal }, 'stopping'));
    reloadOnSignal(starting, config);
    await starting;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    console.error(`streamgate: ${error.message}`);
    process.exitCode = 1;
  }
}

/** The first signal stops in order; a second one, from somebody who will not wait, at once. */
function stopOnSignal(starting: Promise<Gateway>, tell: (signal: string) => void): void {
  let signals = 0;
  const stop = (signal: NodeJS.Signals) => {
    signals++;
    if (signals === 1) {
      tell(signal);
      stopInOrder(starting);
    } else if (signals === 2) {
      abort(starting);
    } else {
      process.exit(1);
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function stopInOrder(starting: Promise<Gateway>): void {
  const stop = (gateway: Gateway) =>
    gateway.stop().then(
      () => process.exit(),
      (error: unknown) => {
        console.error('streamgate: could not stop in order:', error);
        process.exit(1);
      },
    );
  // A start that fails is told where it was begun.
  starting.then(stop, () => process.exit(1));
}

/** Ends the threads first: Node now and then crashes when it exits while they are at work. */
function abort(starting: Promise<Gateway>): void {
  process.exitCode = 1;
  setTimeout(() => process.exit(), ABORT_MS);
  starting.then((gateway) => gateway.abort()).finally(() => process.exit());
}

/** Where there is nothing to read again the signal ends the process, as it does when a terminal is closed. */
function reloadOnSignal(starting: Promise<Gateway>, config: Config): void {
  const files = [config.ACCESS_TOKENS_FILE, config.JWT_JWKS, config.TLS_CERT_FILE];
  if (files.every((file) => file === undefined)) return;
  const reload = (gateway: Gateway) =>
    gateway.reload().catch((error: Error) => {
      console.error(`streamgate: ${error.message}`);
      process.exit(1);
    });
  // A start that fails is told where it was begun.
  process.on('SIGHUP', () => starting.then(reload, () => {}));
}

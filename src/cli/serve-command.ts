/** `streamgate serve`: every setting is a flag too. */
import { type Command, Option } from 'commander';
import { ConfigError, loadConfig, SETTINGS, type SettingName } from '../config.js';
import { type Gateway, StartError, startGateway } from '../gateway.js';
import { createLogger } from '../logger.js';
import { RedisBinaryError } from '../redis/binaries.js';
import { EmbeddedRedisError } from '../redis/embedded-error.js';

const flagOf = (name: string) => `--${name.toLowerCase().replaceAll('_', '-')}`;

/** Failures of starting that are the user's to mend: one sentence, no stack. */
const TOLD_PLAINLY = [ConfigError, StartError, RedisBinaryError, EmbeddedRedisError];

export function addServeCommand(program: Command): void {
  const serve = program
    .command('serve')
    .description('run the gateway; each flag is also an environment variable, as PORT for --port');
  const names = new Map<string, SettingName>();
  for (const [name, { meaning, fallback }] of Object.entries(SETTINGS)) {
    const told = fallback === undefined ? meaning : `${meaning} (default: ${fallback})`;
    const option = new Option(`${flagOf(name)} <value>`, told);
    names.set(option.attributeName(), name as SettingName);
    serve.addOption(option);
  }
  serve.action((flags: Record<string, string>) => {
    const given = { ...process.env };
    for (const [attribute, value] of Object.entries(flags)) given[names.get(attribute)!] = value;
    return serveUntilStopped(given);
  });
}

async function serveUntilStopped(given: Record<string, string | undefined>): Promise<void> {
  try {
    const config = loadConfig(given);
    const logger = createLogger(config.LOG_LEVEL);
    const starting = startGateway(config, logger);
    stopOnSignal(starting, (signal) => logger.info({ signal }, 'stopping'));
    await starting;
  } catch (error) {
    if (!TOLD_PLAINLY.some((kind) => error instanceof kind)) throw error;
    console.error(`streamgate: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

/** The first signal stops in order; a second one, from somebody who will not wait, at once. */
function stopOnSignal(starting: Promise<Gateway>, tell: (signal: string) => void): void {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1);
    isStopping = true;
    tell(signal);
    const stopped = (gateway: Gateway) =>
      gateway.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error('streamgate: could not stop in order:', error);
          process.exit(1);
        },
      );
    // A start that fails is told where it was begun.
    starting.then(stopped, () => process.exit(1));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** What a worker's process runs: a gateway that shares its port with others, until the supervisor ends it. */
import { StartError } from '../config/start-error.js';
import { type Gateway, startGateway } from '../gateway.js';
import type { FromWorker, ToWorker, WorkerStart } from '../supervisor/messages.js';
import { Siblings } from '../supervisor/siblings.js';
import { createLogger } from '../system/logger.js';
import { abort, reload, reloadOnSignal, stopInOrder, stopOnSignal } from './gateway-signals.js';

function send(message: FromWorker): void {
  // A supervisor that was killed hears nothing any more.
  if (process.connected) process.send!(message, undefined, undefined, () => {});
}

const siblings = new Siblings(send);
let starting: Promise<Gateway> | undefined;
let listen = () => {};

/** Resolves when the supervisor says so; rejects where it is gone. */
function mayListen(): Promise<void> {
  return new Promise((resolve, reject) => {
    listen = resolve;
    process.once('disconnect', () => reject(new StartError('The supervisor has ended.')));
    send({ type: 'prepared' });
  });
}

function start({ number, config, redisSocket }: WorkerStart): Promise<Gateway> {
  const logger = createLogger(config.LOG_LEVEL, undefined, number);
  const gateway = startGateway(config, logger, { redisSocket, siblings, mayListen });
  stopOnSignal(gateway, (signal) => logger.info({ signal }, 'stopping'));
  reloadOnSignal(gateway, config);
  gateway.then(
    ({ address }) => send({ type: 'listening', address }),
    (error: unknown) => {
      if (!(error instanceof StartError)) throw error;
      // The supervisor says it, once for all workers.
      if (!process.connected) process.exit(1);
      process.send!({ type: 'failed', reason: error.message } satisfies FromWorker, () => process.exit(1));
    },
  );
  return gateway;
}

function receive(message: ToWorker): void {
  if (message.type === 'start') starting = start(message);
  else if (message.type === 'question' || message.type === 'answers') void siblings.receive(message);
  else if (starting === undefined) process.exit(1);
  else if (message.type === 'listen') listen();
  else if (message.type === 'reload') reload(starting);
  else if (message.type === 'stop') stopInOrder(starting);
  else abort(starting);
}

/** Without its supervisor a worker is not replaced, and the embedded Redis ends. */
function orphaned(): void {
  if (starting === undefined) process.exit(1);
  stopInOrder(starting);
}

process.on('message', receive);
process.on('disconnect', orphaned);

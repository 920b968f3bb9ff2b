/** What signals do to a gateway, and the messages that stand for them where it is one of several workers. */
import type { Config } from '../config/settings.js';

/** How long the threads may take to end, after a second signal. */
const ABORT_MS = 500;

/** A gateway, or several that are supervised. */
export interface Stoppable {
  /** Reads the files again that may change. Rejects where it cannot go on then. */
  reload(): Promise<void>;
  /** Finishes what was taken; may be called again. */
  stop(): Promise<void>;
  /** Ends what would not end with the process. */
  abort(): Promise<void>;
}

/** The first signal stops in order; a second one, from somebody who will not wait, at once. */
export function stopOnSignal(starting: Promise<Stoppable>, tell: (signal: string) => void): void {
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

export function stopInOrder(starting: Promise<Stoppable>): void {
  const stop = (gateway: Stoppable) =>
    gateway.stop().then(
      () => process.exit(),
      (error: unknown) => {
        console.error('streamgate: could not stop in order:', error);
        process.exit(1);
      },
    );
  // A failed start is reported by its caller.
  starting.then(stop, () => process.exit(1));
}

/** Ends the threads first: Node now and then crashes when it exits while they are at work. */
export function abort(starting: Promise<Stoppable>): void {
  process.exitCode = 1;
  setTimeout(() => process.exit(), ABORT_MS);
  starting.then((gateway) => gateway.abort()).finally(() => process.exit());
}

/** Where there is nothing to read again the signal ends the process, as it does when a terminal is closed. */
export function reloadOnSignal(starting: Promise<Stoppable>, config: Config): void {
  const files = [config.ACCESS_TOKENS_FILE, config.JWT_JWKS, config.TLS_CERT_FILE];
  if (files.every((file) => file === undefined)) return;
  process.on('SIGHUP', () => reload(starting));
}

/** A gateway that cannot go on ends the process. */
export function reload(starting: Promise<Stoppable>): void {
  const read = (gateway: Stoppable) =>
    gateway.reload().catch((error: Error) => {
      console.error(`streamgate: ${error.message}`);
      process.exit(1);
    });
  // A failed start is reported by its caller.
  starting.then(read, () => {});
}

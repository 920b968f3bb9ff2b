/**
 * The life of one client command, from its start to its exit code.
 *
 * The work gets a signal that fires at Ctrl-C, SIGTERM, the end of `--duration`, or when nobody reads the
 * output any more; it then closes what it opened and returns. What it throws before that is told in one
 * sentence, exit code 1; a signal is no failure, since it is how endless commands end.
 */

/** Work that hangs on a gateway that does not answer is left behind after this. */
const GRACE_MS = 5000;

export interface CommandSession {
  readonly signal: AbortSignal;
  /** True where the reader of the output has gone: nothing more is to be written. */
  readonly isMuted: boolean;
}

/** @param durationSeconds 0: no limit */
export async function runSession(
  durationSeconds: number,
  work: (session: CommandSession) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  let muted = false;
  let grace: NodeJS.Timeout | undefined;

  const end = () => {
    stop.abort();
    grace ??= setTimeout(() => {
      if (!muted)
        process.stderr.write(`gave up: the gateway let ${GRACE_MS / 1000} s pass without an answer\n`);
      process.exit(1);
    }, GRACE_MS);
  };
  const mute = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = 1;
    muted = true;
    end();
  };
  // Once: a second Ctrl-C is not caught and ends the process at once.
  process.once('SIGINT', end).once('SIGTERM', end);
  process.stdout.on('error', mute);
  process.stderr.on('error', mute);
  // setTimeout takes 32 bits of milliseconds; longer than that is as good as endless.
  const timed = durationSeconds > 0 && durationSeconds * 1000 < 2 ** 31;
  const timer = timed ? setTimeout(end, durationSeconds * 1000) : undefined;

  try {
    await work({
      signal: stop.signal,
      get isMuted() {
        return muted;
      },
    });
  } catch (error) {
    // What was cut short by the signal itself is no failure.
    if (error !== stop.signal.reason && !muted) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
    process.off('SIGINT', end).off('SIGTERM', end);
    // The listeners on the outputs stay: a failed write is reported after the work is done.
  }
}

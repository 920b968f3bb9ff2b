/**
 * The structured log: JSON lines on standard output, one record an event.
 *
 * What a record may hold: which connection, device, stream and request, and what became of it. Never a
 * payload, and never a secret: addresses lose their passwords here, whoever logs them, and of an error
 * nothing is told but what it is, what it says and where it came from, since a library's error may
 * carry the command that failed with all its arguments.
 */
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger };

/** `scheme://user:password@`, as far as the password goes; one may hold any character but these. */
const CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi;

export function maskSecrets(text: string): string {
  return text.replace(CREDENTIALS, '$1***@');
}

interface ToldError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string;
  readonly cause?: unknown;
}

/** How deep causes of causes are told. */
const MAX_CAUSES = 5;

function tellError(error: unknown, depth = 0): unknown {
  if (typeof error === 'string') return maskSecrets(error);
  if (!(error instanceof Error) || depth === MAX_CAUSES) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    message: maskSecrets(error.message),
    ...(typeof code === 'string' ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: maskSecrets(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: tellError(error.cause, depth + 1) }),
  } satisfies ToldError;
}

/** @param out where the lines go, standard output by default */
export function createLogger(level: string, out: DestinationStream = pino.destination(1)): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: (error: unknown) => tellError(error) },
    hooks: {
      logMethod(args, method) {
        // The message is the last text that comes, after the fields if there are any.
        const at = typeof args[0] === 'string' ? 0 : 1;
        const message = args[at];
        if (typeof message === 'string') args[at as 1] = maskSecrets(message);
        method.apply(this, args);
      },
    },
  };
  return pino(options, out);
}

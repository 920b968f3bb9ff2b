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
const CREDENTIALS = /:\/\/[^\s/@]*@/g;

export function maskSecrets(text: string): string {
  return text.replace(CREDENTIALS, '://***@');
}

interface ToldError {
  readonly type: string;
  /** Its own, and those of its causes. */
  readonly message: string;
  readonly code?: string;
  readonly stack: string;
}

/** How many causes of causes are told. */
const MAX_CAUSES = 5;

function tellError(error: unknown): ToldError | string | undefined {
  if (!(error instanceof Error)) return typeof error === 'string' ? maskSecrets(error) : undefined;
  const chain: Error[] = [];
  for (let next: unknown = error; next instanceof Error && chain.length <= MAX_CAUSES; next = next.cause) {
    chain.push(next);
  }
  const code = chain.map((each) => (each as NodeJS.ErrnoException).code).find((each) => each !== undefined);
  return {
    type: error.name,
    message: maskSecrets(chain.map(({ message }) => message).join(': ')),
    ...(typeof code === 'string' ? { code } : {}),
    stack: maskSecrets(chain.map(({ stack, message }) => stack ?? message).join('\ncaused by: ')),
  };
}

/**
 * @param out where the lines go, standard output by default
 * @param worker the worker's number, which each line then has
 */
export function createLogger(
  level: string,
  out: DestinationStream = pino.destination(1),
  worker?: number,
): Logger {
  const options: LoggerOptions = {
    level,
    base: worker === undefined ? null : { worker },
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

/** Small talk with whoever listens on a Unix socket. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { relative } from 'node:path';
import { EmbeddedRedisError } from './embedded-error.js';

/** What an address holds on macOS, the smallest of the systems we run on: sun_path less its final NUL. */
const LONGEST_PATH = 103;

/**
 * A name for the socket at `path` (absolute) that is short enough to listen on and connect to: the path
 * itself, else the one from the current folder, which holds until the process changes its folder.
 * @throws EmbeddedRedisError if both are too long; unchecked, the system may cut the name.
 */
export function socketName(path: string): string {
  const name = [path, relative(process.cwd(), path)].find((n) => Buffer.byteLength(n) <= LONGEST_PATH);
  if (name !== undefined) return name;
  throw new EmbeddedRedisError(
    `STREAMGATE_DATA_DIR must be a shorter path: ${path} has ${Buffer.byteLength(path)} bytes, ` +
      `and the name of a Unix socket may have at most ${LONGEST_PATH}.`,
  );
}

/**
 * Sends `text` and resolves to all that the other side says until it hangs up.
 * @throws the system's error (ECONNREFUSED and ENOENT: nobody listens there), or one with the code
 * ETIMEDOUT after `timeoutMs` of silence.
 */
export async function ask(name: string, text: string, timeoutMs: number): Promise<string> {
  const socket = connect(name);
  socket.setEncoding('utf8');
  socket.setTimeout(timeoutMs, () => {
    socket.destroy(Object.assign(new Error(`no answer on ${name}`), { code: 'ETIMEDOUT' }));
  });
  if (text) socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

/** Whether someone listens on the socket `name`, even one that is halted or refuses us. */
export async function isListening(name: string): Promise<boolean> {
  const socket = connect(name);
  try {
    await once(socket, 'connect');
    return true;
  } catch (cause) {
    return !isNobody(cause);
  } finally {
    socket.destroy();
  }
}

/** Whether `cause`, thrown on connecting, says that nobody listens on that socket, or that there is none. */
export function isNobody(cause: unknown): boolean {
  // ENOTSOCK is what macOS says of a plain file, and EINVAL Node.js 24 of a path that is too long for a socket.
  return ['ECONNREFUSED', 'ENOENT', 'ENOTSOCK', 'EINVAL'].includes(
    (cause as NodeJS.ErrnoException).code ?? '',
  );
}

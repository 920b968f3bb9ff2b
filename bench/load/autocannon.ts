/**
 * A process that makes HTTP requests by autocannon.
 *
 *     node autocannon.js '{"port", "connections", "seconds", "method", "path", "body"}'
 *
 * Prints `result` with what became of them, as JSON: {@link HttpAnswers}.
 */
import autocannon, { type Request } from 'autocannon';
import type { HttpAnswers, HttpLoad } from './http-load.js';

const { port, connections, seconds, method, path, body } = JSON.parse(process.argv[2]!) as HttpLoad;
const result = await autocannon({
  url: `http://127.0.0.1:${port}${path}`,
  connections,
  duration: seconds,
  method: method as NonNullable<Request['method']>,
  ...(body !== undefined && { body }),
});
const answers: HttpAnswers = {
  answered: result['2xx'],
  failed: result.non2xx + result.errors,
  seconds: result.duration,
};
console.log(`result ${JSON.stringify(answers)}`);

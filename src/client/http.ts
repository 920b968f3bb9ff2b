/** Requests to the gateway, and refusals as errors. */
import { errorFromAnswer, errorFromNetwork } from './gateway-error.js';

/** The headers that a request by `token` has. */
export function tokenHeaders(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * An HTTP request, answered with 2xx.
 * @throws GatewayError the gateway's own sentence otherwise, `unreachable` where nothing answers
 * @throws the signal's reason where it fires
 */
export async function fetchAnswer(address: URL, request: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(address, request);
  } catch (error) {
    request.signal?.throwIfAborted();
    throw errorFromNetwork(error, address);
  }
  if (answer.ok) return answer;
  const body = await answer.text().catch(() => '');
  throw errorFromAnswer(answer.status, body, answer.headers.get('retry-after'));
}

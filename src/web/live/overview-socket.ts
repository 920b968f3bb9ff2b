/** The gateway's `/overview` over a WebSocket. */
import { askWhyNot } from '../../client/ask-why-not.js';
import { Connection } from '../../client/connection.js';
import { PatientSocket } from './patient-socket.js';

/**
 * Opens it. Browsers do not say why a WebSocket was refused, so the same address is asked by HTTP then.
 * @throws GatewayError, the signal's reason
 */
export async function openOverview(
  filter: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Connection> {
  const address = new URL('/overview', location.origin);
  address.protocol = address.protocol.replace('http', 'ws');
  if (filter !== '') address.searchParams.set('filter', filter);
  try {
    return await Connection.open(PatientSocket, address, token, signal);
  } catch (error) {
    signal.throwIfAborted();
    await askWhyNot(address, token, signal);
    throw error;
  }
}

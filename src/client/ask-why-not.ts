/**
 * Why a WebSocket was refused. Browsers are not told; but the same address, asked for without an upgrade, is
 * refused with the same reason, or with `upgrade_required` where there is nothing else against it.
 */
import { GatewayError } from './gateway-error.js';
import { fetchAnswer, tokenHeaders } from './http.js';

/** @throws GatewayError the reason, where there is one @throws the signal's reason */
export async function askWhyNot(
  socketAddress: URL,
  token: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const address = new URL(socketAddress);
  address.protocol = address.protocol.replace('ws', 'http');
  try {
    const answer = await fetchAnswer(address, { headers: tokenHeaders(token), signal: signal ?? null });
    await answer.body?.cancel();
  } catch (error) {
    const isFine = error instanceof GatewayError && error.code === 'upgrade_required';
    if (!isFine) throw error;
  }
}

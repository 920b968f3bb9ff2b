/** How the client comes back to a gateway that was lost. */
import { BackOff } from '../protocol/back-off.js';

const FIRST_MS = 200;
/** A gateway that is back is found within this. */
const MOST_MS = 10_000;

export const reconnectBackOff = () => new BackOff(FIRST_MS, MOST_MS, 0.5);

/** Resolves after so long, or when the signal fires. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end);
  });
}

/** The workers of a gateway that runs as several processes, as the log shows them. */
import { expect, vi } from 'vitest';
import { isRunning } from './child-processes.js';
import type { GatewayProcess } from './gateway-process.js';

const SOON = { timeout: 60_000, interval: 20 };
/** Connections that go to one of two workers alone: less than once in a million runs. */
const MOST_TRIES = 40;

export async function untilGone(pids: readonly number[]): Promise<void> {
  await vi.waitFor(() => expect(pids.filter(isRunning)).toEqual([]), SOON);
}

/** Lines of the log with this message, from the line `from` on. */
export const linesOf = ({ log }: GatewayProcess, message: string, from = 0) =>
  log.slice(from).filter(({ msg }) => msg === message);

/**
 * Opens connections until each of two workers has one.
 * @param gateway with LOG_LEVEL=debug
 * @param open opens one and adds nothing else to the log's 'a connection is open'
 * @returns all that were opened, each with its worker's number
 */
export async function openAtEachWorker<T>(
  gateway: GatewayProcess,
  open: () => Promise<T>,
): Promise<(readonly [worker: number, connection: T])[]> {
  const opened: (readonly [number, T])[] = [];
  while (new Set(opened.map(([worker]) => worker)).size < 2) {
    if (opened.length >= MOST_TRIES) throw new Error(`${MOST_TRIES} connections went to one worker`);
    const from = gateway.log.length;
    const connection = await open();
    const [line] = await vi.waitFor(() => {
      const lines = linesOf(gateway, 'a connection is open', from);
      expect(lines).toHaveLength(1);
      return lines;
    }, SOON);
    opened.push([Number(line!.worker), connection]);
  }
  return opened;
}

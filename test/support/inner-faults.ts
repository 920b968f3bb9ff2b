/**
 * Faults within a gateway's process, for a gateway that is started with this file preloaded (`--import`,
 * which holds for its threads too): so the gateway needs no way in for them. The main thread takes them
 * from a Unix socket, a line each, and passes them on; `faulty-gateway.ts` sends them.
 */
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { BroadcastChannel, isMainThread, resourceLimits, threadId } from 'node:worker_threads';

export type ThreadKind = 'reader' | 'pool';

/** What one thread of a kind does, or how far all clocks jump. */
export type InnerFault =
  | { readonly kind: ThreadKind; readonly fault: 'throw' | 'exit' | 'spin' | 'memory' }
  | { readonly clockMs: number };

type Message = { readonly here: number; readonly kind: ThreadKind } | (InnerFault & { readonly at?: number });

/** The setting that turns this file on. */
export const FAULTS_PATH = 'STREAMGATE_TEST_FAULTS';
/** A reader's heap is the smallest: no other sign tells threads apart before their code runs. */
const MOST_READER_MB = 512;

function suffer(fault: 'throw' | 'exit' | 'spin' | 'memory'): void {
  if (fault === 'exit') process.exit(0);
  if (fault === 'throw') {
    setImmediate(() => {
      throw new Error('thrown by a test');
    });
  } else {
    const kept: unknown[] = [];
    for (;;) if (fault === 'memory') kept.push(new Array(1_000_000).fill(kept.length + 0.5));
  }
}

let clockMs = 0;

function shiftClock(ms: number): void {
  if (clockMs === 0) {
    const now = Date.now;
    Date.now = () => now() + clockMs;
  }
  clockMs = ms;
}

function install(path: string): void {
  const channel = new BroadcastChannel('streamgate-test-faults');
  channel.unref();
  const threads: { readonly id: number; readonly kind: ThreadKind }[] = [];
  channel.onmessage = (event: unknown) => {
    const message = (event as { data: Message }).data;
    if ('here' in message) threads.push({ id: message.here, kind: message.kind });
    else if ('clockMs' in message) shiftClock(message.clockMs);
    else if (message.at === threadId) suffer(message.fault);
  };
  if (!isMainThread) {
    const kind = (resourceLimits.maxOldGenerationSizeMb ?? 0) <= MOST_READER_MB ? 'reader' : 'pool';
    channel.postMessage({ here: threadId, kind } satisfies Message);
    return;
  }
  const server = createServer((socket) => {
    createInterface(socket).on('line', (line) => {
      const fault = JSON.parse(line) as InnerFault;
      if ('clockMs' in fault) shiftClock(fault.clockMs);
      // The latest of its kind: a thread that has suffered is not hit twice.
      const at = 'kind' in fault ? threads.findLast(({ kind }) => kind === fault.kind)?.id : undefined;
      channel.postMessage({ ...fault, at });
      socket.end('done\n');
    });
  });
  server.listen(path).unref();
}

const path = process.env[FAULTS_PATH];
if (path !== undefined) install(path);

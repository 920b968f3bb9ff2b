/** `streamgate push`: what comes in by standard input or files, as entries of a stream. */
import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { makeClient, type TargetValues } from './client-options.js';
import { type CommandSession, runSession } from './command-session.js';
import { EntrySender } from './entry-sender.js';
import { writeOut } from './output.js';
import { Lines, Pictures, Pieces, type Splitter, Whole } from './splitters.js';
import { WaitNotice } from './wait-notice.js';

export interface PushPipeValues extends TargetValues {
  readonly lines?: boolean;
  /** Bytes an entry. */
  readonly split?: number;
  readonly mjpeg?: boolean;
  readonly ids?: boolean;
}

const STANDARD_INPUT = '-';

function makeSplitter({ lines, split, mjpeg }: PushPipeValues): Splitter {
  if (lines) return new Lines();
  if (split !== undefined) return new Pieces(split);
  return mjpeg ? new Pictures() : new Whole();
}

/**
 * The entries of one input, as soon as each is complete. Where the signal fires, what is not complete is left.
 * @throws Error where it cannot be read, in one sentence
 */
async function* readEntries(
  input: Readable,
  name: string,
  splitter: Splitter,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const notice = new WaitNotice(waitingFor(input, name));
  notice.begin();
  try {
    for await (const chunk of addAbortSignal(signal, input)) {
      notice.end();
      yield* splitter.add(chunk);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new Error(`cannot read ${name}: ${error.message}`, { cause: error });
  } finally {
    notice.end();
  }
  if (!signal.aborted) yield* splitter.end();
}

function waitingFor(input: Readable, name: string): string {
  const hint = 'isTTY' in input && input.isTTY ? 'Ctrl-D ends it' : 'pipe something in, or name files';
  return input === process.stdin ? `waiting for ${name}: ${hint}` : `waiting for ${name}`;
}

export async function pushPipe(sid: string, files: readonly string[], values: PushPipeValues): Promise<void> {
  await runSession(0, async (session) => {
    const sender = new EntrySender(makeClient(values).push(sid, { reconnect: 'after-open' }));
    try {
      for (const file of files.length === 0 ? [STANDARD_INPUT] : files) {
        const isPipe = file === STANDARD_INPUT;
        const input = isPipe ? process.stdin : createReadStream(file);
        const name = isPipe ? 'standard input' : file;
        await send(sender, readEntries(input, name, makeSplitter(values), session.signal), values, session);
        if (session.signal.aborted) break;
      }
    } finally {
      // What was read is stored, also where the rest could not be.
      await sender.close();
    }
  });
}

async function send(
  sender: EntrySender,
  entries: AsyncIterable<Uint8Array<ArrayBuffer>>,
  { ids }: PushPipeValues,
  session: CommandSession,
): Promise<void> {
  const onStored = ids ? (id: string) => void writeOut(`${id}\n`, session) : undefined;
  for await (const entry of entries) await sender.send(entry, {}, onStored);
}

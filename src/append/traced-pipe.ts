/** A pipe that tells the trace what becomes of each entry, in place of the one below it. */
import type { Failure } from '../protocol/errors.js';
import type { ReplyCursor } from '../redis/resp.js';
import type { EntryTrace } from '../system/entry-trace.js';
import type { Receipt } from './batch.js';
import type { AppendStream } from './command.js';
import type { NotReplicated } from './not-replicated.js';
import type { EntryPipe } from './pipes.js';

const LONGEST_ID = 41;

/** @returns the pipe itself where nothing is traced */
export function tracePipe(pipe: EntryPipe, trace: EntryTrace | undefined): EntryPipe {
  if (trace === undefined) return pipe;
  return {
    streams: pipe.streams,
    append(stream, id, payload, receipt, token) {
      pipe.append(stream, id, payload, traceReceipt(trace, stream, id, receipt), token);
    },
  };
}

function traceReceipt(trace: EntryTrace, stream: AppendStream, id: string, receipt: Receipt): Receipt {
  return {
    ...(receipt.sendsAgain === undefined ? {} : { sendsAgain: receipt.sendsAgain }),
    stored(token: number, reply: ReplyCursor, shortage?: NotReplicated) {
      // The receipt below reads the id, or leaves it alone.
      const bytes = Buffer.alloc(LONGEST_ID);
      trace.stored(stream.key, bytes.toString('latin1', 0, reply.copyShort(bytes)));
      receipt.stored(token, reply, shortage);
    },
    refused(token: number, failure: Failure) {
      trace.refused(stream.key, id, failure.code);
      receipt.refused(token, failure);
    },
  };
}

/** The TypeScript client's values as the protocol tells them, and the other way round. */
import { createHash } from 'node:crypto';
import { type Entry, type Gap, GatewayError } from '../../src/client/node.js';
import { stampedFrame } from '../support/stamped-frames.js';
import type { Payload, ToldEntry, ToldError } from './protocol.js';

/** Longer payloads are told by their hash. */
const TOLD_BYTES = 65_536;

export function toldError(error: unknown): ToldError {
  if (!(error instanceof GatewayError)) return { code: 'fault', message: String(error) };
  return { code: error.code, message: error.message, closeCode: error.closeCode ?? null };
}

export function toldEntry({ stream, id, time, data }: Entry): ToldEntry {
  const content =
    data.length <= TOLD_BYTES
      ? { data: Buffer.from(data).toString('base64') }
      : { sha256: createHash('sha256').update(data).digest('hex') };
  return { stream, id, time, size: data.length, ...content };
}

export function toldGap({ resumedAt, ...gap }: Gap): object {
  return { ...gap, resumed_at: resumedAt };
}

export function makePayload(plan: Payload): string | Uint8Array<ArrayBuffer> {
  if ('text' in plan) return plan.text;
  if ('base64' in plan) return Uint8Array.from(Buffer.from(plan.base64, 'base64'));
  return makeFrame(plan.writer, plan.seq, plan.bytes);
}

export function makeFrame(writer: string, seq: number, bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(stampedFrame(writer, seq, bytes));
}

/** Entries that tell when they were written, so that whoever gets one knows how long it took. */

/** Bytes of the payload: the time first, the rest means nothing. */
export const STAMPED_BYTES = 100;

/** Milliseconds of a clock that all processes of the machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Stamps a payload that begins at `at`. */
export function stamp(buffer: Buffer, at: number): void {
  buffer.writeDoubleLE(now(), at);
}

/** @returns milliseconds since the payload was stamped */
export function age(payload: Buffer): number {
  return now() - payload.readDoubleLE(0);
}

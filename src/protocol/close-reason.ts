/** RFC 6455 §5.5: a control frame carries at most 125 bytes, two of which are the close code. */
const MAX_REASON_BYTES = 123;
const ELLIPSIS = '…';

/** `text`, cut between characters where it is longer than a close frame can carry. */
export function closeReason(text: string): string {
  if (Buffer.byteLength(text) <= MAX_REASON_BYTES) return text;
  const room = new Uint8Array(MAX_REASON_BYTES - Buffer.byteLength(ELLIPSIS));
  // encodeInto stops before a character that does not fit whole.
  const { read } = new TextEncoder().encodeInto(text, room);
  return text.slice(0, read) + ELLIPSIS;
}

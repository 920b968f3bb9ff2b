/** Short, terminal-safe views of bytes and amounts. */

const PREVIEW_BYTES = 64;
const PREVIEW_HEX_BYTES = 24;
/** Cc, Cf, Zl, Zp and private characters can move the cursor, reorder the line or break it. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The first bytes of a payload: as text where they are UTF-8 without control characters, else in hex. */
export function previewBytes(data: Uint8Array): string {
  const head = data.subarray(0, PREVIEW_BYTES);
  const more = data.length > head.length ? '…' : '';
  try {
    // With `stream` a character that the cut split is left out rather than an error.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: more !== '' });
    const shown = text.replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
    if (shown.search(UNSAFE) < 0) return shown + more;
  } catch {
    // Not text: told in hex.
  }
  const hex = Buffer.from(data.subarray(0, PREVIEW_HEX_BYTES)).toString('hex');
  return `0x${hex}${data.length > PREVIEW_HEX_BYTES ? '…' : ''}`;
}

/** A name that others chose, with what could disturb a terminal replaced. */
export function previewName(name: string): string {
  return name.replaceAll(UNSAFE, '�');
}

/** `812 B`, `61.4 kB`, `3.02 MB`: decimal units, as in MB/s. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toPrecision(3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}

/** `12 ms`, `3.4 s`, `2.1 min`, `5.0 h` */
export function formatLag(ms: number): string {
  if (Math.abs(ms) < 1000) return `${Math.round(ms)} ms`;
  if (Math.abs(ms) < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (Math.abs(ms) < 3_600_000) return `${(ms / 60_000).toFixed(1)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

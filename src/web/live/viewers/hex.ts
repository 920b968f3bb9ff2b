/** The bytes of the newest entry, sixteen a line. */
import type { Entry } from '../../../client/entry.js';
import { make } from '../elements.js';
import { formatBytes } from '../format.js';
import { nextFrame } from '../frames.js';
import type { Viewer } from './viewer.js';

const BYTES_A_LINE = 16;
/** More than this nobody reads. */
const SHOWN_BYTES = 4096;

export class HexViewer implements Viewer {
  readonly kind = 'hex';
  readonly wants = 'newest';
  readonly #dump = make('pre', { class: 'hex-dump', attributes: { tabindex: '0' } });
  readonly element = make('div', { class: 'viewer hex' }, this.#dump);
  #size = 0;

  async live(entry: Entry, signal: AbortSignal): Promise<void> {
    await nextFrame(signal);
    if (!signal.aborted) this.still(entry);
  }

  still({ data }: Entry): void {
    this.#size = data.length;
    this.#dump.textContent = hexDump(data);
  }

  clear(): void {
    this.#dump.textContent = '';
  }

  facts(): readonly string[] {
    return this.#size > SHOWN_BYTES ? [`first ${formatBytes(SHOWN_BYTES)} shown`] : [];
  }

  destroy(): void {}
}

/** Offset, bytes and their characters, line by line. */
export function hexDump(data: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(data.length, SHOWN_BYTES); at += BYTES_A_LINE) {
    const bytes = [...data.subarray(at, Math.min(at + BYTES_A_LINE, SHOWN_BYTES))];
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
    const half = BYTES_A_LINE / 2;
    const left = hex
      .slice(0, half)
      .join(' ')
      .padEnd(half * 3 - 1);
    const right = hex
      .slice(half)
      .join(' ')
      .padEnd(half * 3 - 1);
    const text = bytes
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'))
      .join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${left}  ${right}  ${text}`);
  }
  return lines.join('\n');
}

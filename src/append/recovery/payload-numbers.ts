/** Numbers payloads, so that entries can be compared without comparing their bytes again. */
import { crc32 } from 'node:zlib';

/** The same bytes have the same number. */
export class PayloadNumbers {
  readonly #lengths = new Set<number>();
  readonly #known = new Map<string, { readonly payload: Uint8Array; readonly number: number }[]>();
  #next = 0;

  numberOf(payload: Uint8Array): number {
    const found = this.find(payload);
    if (found !== undefined) return found;
    this.#lengths.add(payload.length);
    const key = keyOf(payload);
    const number = this.#next++;
    this.#known.set(key, [...(this.#known.get(key) ?? []), { payload, number }]);
    return number;
  }

  find(payload: Uint8Array): number | undefined {
    if (!this.#lengths.has(payload.length)) return undefined;
    return this.#known.get(keyOf(payload))?.find((known) => isSame(known.payload, payload))?.number;
  }
}

const keyOf = (payload: Uint8Array): string => `${payload.length} ${crc32(payload)}`;
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

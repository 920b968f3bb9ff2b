/**
 * Frames as live video: each is decoded, painted with the display's next frame, and only then is the next one
 * asked for, so that a slow browser skips frames and never falls behind.
 */
import type { Entry } from '../../../client/entry.js';
import { detectMediaType } from '../../../protocol/media-type.js';
import { make } from '../elements.js';
import { nextFrame } from '../frames.js';
import type { Viewer } from './viewer.js';

/** The rate is that of the last so many milliseconds. */
const RATE_MS = 2000;
const JPEG = 'image/jpeg';
/** End of image (ITU-T T.81, B.1.1.3). Behind that of a whole JPEG it means nothing. */
const JPEG_END = new Uint8Array([0xff, 0xd9]);
/** Smaller images are shown enlarged, with their pixels as they are. */
const PIXEL_ART = 160;

export class ImageViewer implements Viewer {
  readonly kind = 'image';
  readonly wants = 'newest';
  readonly #canvas: HTMLCanvasElement;
  readonly #refusal = make('p', { class: 'viewer-note', text: 'This entry is no image that can be shown.' });
  readonly element: HTMLElement;
  readonly #context: CanvasRenderingContext2D;
  /** When frames were painted lately, by `performance.now()`. */
  #painted: number[] = [];
  #count = 0;
  #type = '';

  /** @param name what the picture is called for who does not see it */
  constructor(name: string) {
    this.#canvas = make('canvas', { attributes: { role: 'img', 'aria-label': name } });
    this.#canvas.width = 0;
    this.#context = this.#canvas.getContext('2d')!;
    this.#refusal.hidden = true;
    this.element = make('div', { class: 'viewer image' }, this.#canvas, this.#refusal);
  }

  /** Frames painted since it was made. */
  get painted(): number {
    return this.#count;
  }

  async live(entry: Entry, signal: AbortSignal): Promise<void> {
    const bitmap = await this.#decode(entry.data);
    await nextFrame(signal);
    if (bitmap !== undefined && !signal.aborted) {
      this.#paint(bitmap);
      this.#painted.push(performance.now());
    }
    bitmap?.close();
  }

  async still(entry: Entry): Promise<void> {
    this.#painted = [];
    const bitmap = await this.#decode(entry.data);
    if (bitmap === undefined) return;
    this.#paint(bitmap);
    bitmap.close();
  }

  clear(): void {
    this.#painted = [];
  }

  facts(): readonly string[] {
    const { width, height } = this.#canvas;
    if (width === 0) return [];
    const size = `${width} × ${height} ${this.#type}`;
    const since = performance.now() - RATE_MS;
    this.#painted = this.#painted.filter((at) => at > since);
    const frames = this.#painted.length;
    if (frames < 2) return [size];
    // Between the first and the last lies one fewer.
    const rate = ((frames - 1) * 1000) / (this.#painted.at(-1)! - this.#painted[0]!);
    return [size, `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} fps`];
  }

  destroy(): void {
    // Frees the memory at once: Safari keeps that of canvases for a while.
    this.#canvas.width = 0;
  }

  /** @returns undefined where the bytes are no image, which is told */
  async #decode(data: Uint8Array): Promise<ImageBitmap | undefined> {
    const type = detectMediaType(data);
    try {
      if (!type.startsWith('image/')) throw new Error('not an image');
      // A copy would be the browser's own; the bytes are never shared memory.
      const parts = [data as Uint8Array<ArrayBuffer>];
      // `<img>` shows a JPEG that is cut off, as far as it goes; a bitmap is made of one only if it has an end.
      if (type === JPEG) parts.push(JPEG_END);
      const bitmap = await createImageBitmap(new Blob(parts, { type }));
      this.#type = type.slice('image/'.length).toUpperCase();
      this.#refusal.hidden = true;
      return bitmap;
    } catch {
      this.#refusal.hidden = false;
      return undefined;
    }
  }

  #paint(bitmap: ImageBitmap): void {
    const canvas = this.#canvas;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.classList.toggle('pixels', Math.max(bitmap.width, bitmap.height) <= PIXEL_ART);
    } else this.#context.clearRect(0, 0, canvas.width, canvas.height);
    this.#context.drawImage(bitmap, 0, 0);
    this.#count++;
  }
}

/** Test images: JPEGs of random noise, which no codec can make small, and what an encoded image holds. */
import { randomFillSync } from 'node:crypto';

/** As numpy writes it, `[height, width]` or `[height, width, channels]`. */
export interface Shape {
  readonly height: number;
  readonly width: number;
  /** 1: grey. 3: colour. */
  readonly channels: 1 | 3;
}

/** A JPEG's sides are 16-bit numbers. */
const MAX_SIDE = 65_535;
/** sharp decodes no image with more pixels (its `limitInputPixels`). */
const MAX_PIXELS = 0x3fff * 0x3fff;

/** @throws Error one sentence, where `text` is no shape that a JPEG can have */
export function parseShape(text: string): Shape {
  const expected = `a shape must be '[height,width]' or '[height,width,channels]', not '${text}'`;
  let shape: unknown;
  try {
    shape = JSON.parse(text);
  } catch {
    throw new Error(expected);
  }
  if (!Array.isArray(shape) || shape.length < 2 || shape.length > 3) throw new Error(expected);
  const [height, width, channels = 1] = shape as unknown[];
  if (!isSide(height) || !isSide(width)) {
    throw new Error(`${expected}; a side is 1 to ${MAX_SIDE} pixels`);
  }
  if (height * width > MAX_PIXELS) throw new Error(`an image has at most ${MAX_PIXELS} pixels, not ${text}`);
  if (channels !== 1 && channels !== 3) {
    throw new Error(`${expected}; an image has 1 channel (grey) or 3 (colour)`);
  }
  return { height, width, channels };
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SIDE;
}

/**
 * The image library. It is large and only the image commands need it, so it is an optional dependency.
 * @throws Error where it is not installed
 */
export async function loadSharp() {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error('this command needs the package sharp, which is not installed: npm install sharp');
  }
}

/** A JPEG of random noise in that shape. */
export async function makeNoiseImage(shape: Shape): Promise<Buffer<ArrayBuffer>> {
  const sharp = await loadSharp();
  const { height, width, channels } = shape;
  const pixels = randomFillSync(new Uint8Array(height * width * channels));
  const image = sharp(pixels, { raw: { height, width, channels } });
  // Without a colour space of its own, sharp encodes a single channel as three equal ones.
  const encoded = channels === 1 ? image.toColourspace('b-w').jpeg() : image.jpeg();
  return (await encoded.toBuffer()) as Buffer<ArrayBuffer>;
}

/** What an encoded image turned out to be. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/**
 * Decodes every pixel of an image in any format that sharp knows.
 * @throws Error where the bytes are no such image, or end too early
 */
export async function decodeImage(encoded: Uint8Array): Promise<ImageSize> {
  const sharp = await loadSharp();
  const image = sharp(encoded);
  const { channels } = await image.metadata();
  const grey = channels === 1 ? image.toColourspace('b-w') : image;
  const { info } = await grey.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels };
}

/** A request's devices: their metadata, for all that are asked for together in one round trip. */
import type { Devices } from '../streams/devices.js';
import type { Metadata } from '../streams/metadata.js';
import { BatchLoader } from './batch-loader.js';

export class DeviceLoader {
  readonly #metas: BatchLoader<string, Metadata>;

  constructor(devices: Devices) {
    this.#metas = new BatchLoader((ids) => devices.meta(ids));
  }

  meta(device: string): Promise<Metadata> {
    return this.#metas.load(device);
  }
}

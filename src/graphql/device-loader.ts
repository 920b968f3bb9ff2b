/** A request's devices: their metadata, for all that are asked for together in one round trip, each once. */
import type { Devices } from '../catalog/devices.js';
import { decodeMetadata, type Metadata } from '../catalog/metadata.js';
import { ownTurn } from '../catalog/time-slices.js';
import { AnswerBudget } from '../protocol/answer-budget.js';
import { BatchLoader } from './batch-loader.js';

/** Devices in one MGET: Redis does nothing else meanwhile. */
const DEVICES_AT_ONCE = 500;

interface DeviceMeta {
  readonly meta: Metadata;
  /** Of its text. */
  readonly bytes: number;
}

export class DeviceLoader {
  readonly #metas: BatchLoader<string, DeviceMeta>;
  readonly #budget: AnswerBudget;

  /** @param budget of the request's answer */
  constructor(devices: Devices, budget: AnswerBudget) {
    this.#metas = new BatchLoader((ids) => loadMetas(devices, ids));
    this.#budget = budget;
  }

  /** @throws Failure */
  async meta(device: string): Promise<Metadata> {
    const { bytes, meta } = await this.#metas.load(device);
    this.#budget.spend(bytes);
    return meta;
  }
}

async function loadMetas(devices: Devices, ids: readonly string[]): Promise<DeviceMeta[]> {
  const known = new Map<string, DeviceMeta>();
  const unique = [...new Set(ids)];
  const budget = new AnswerBudget();
  for (let from = 0; from < unique.length; from += DEVICES_AT_ONCE) {
    if (from > 0) await ownTurn();
    const asked = unique.slice(from, from + DEVICES_AT_ONCE);
    const texts = await devices.metaTexts(asked);
    texts.forEach((text, index) => {
      const bytes = text?.length ?? 0;
      budget.spend(bytes);
      known.set(asked[index]!, { meta: decodeMetadata(text), bytes });
    });
  }
  return ids.map((id) => known.get(id)!);
}

/** Devices: who is connected, who was ever seen, what they say of themselves, and the events that tell of it. */
import { checkDeviceId } from '../protocol/names.js';
import { type Control, controlFailure } from '../redis/control.js';
import { DEVICES_CONNECTED, DEVICES_SEEN, deviceMetaKey } from '../redis/keys.js';
import { readStrings } from '../redis/many-keys.js';
import { type DeviceChanges, ScriptedDeviceChanges } from './device-changes.js';
import { SteppedDeviceChanges } from './device-steps.js';
import { decodeMetadata, encodeMetadata, type Metadata } from './metadata.js';

/** Each says whether that step changed anything, but for `connected`. */
export interface DeviceChange {
  readonly connection_status_changed?: boolean;
  /** Whether the device is connected now. */
  readonly connected?: boolean;
  readonly is_new_device?: boolean;
  readonly meta_set?: boolean;
  readonly 'fired:device.connected'?: boolean;
  readonly 'fired:device.meta'?: boolean;
}

export class Devices {
  readonly #control: Control;
  readonly #changes: DeviceChanges;

  /** @param eventsMaxLength to which about the event streams are trimmed */
  constructor(control: Control, eventsMaxLength: number) {
    this.#control = control;
    const Changes = control.takesManyKeys ? ScriptedDeviceChanges : SteppedDeviceChanges;
    this.#changes = new Changes(control, eventsMaxLength);
  }

  /** Ids in alphabetical order. @throws Failure */
  async list(includeSeen: boolean): Promise<string[]> {
    const key = includeSeen ? DEVICES_SEEN : DEVICES_CONNECTED;
    const ids = await this.#ask(this.#control.of(key, (redis) => redis.smembers(key)));
    return ids.sort();
  }

  /** @throws Failure */
  async meta(devices: readonly string[]): Promise<Metadata[]> {
    return (await this.metaTexts(devices)).map(decodeMetadata);
  }

  /** The same as it is stored; null where there is none. @throws Failure */
  async metaTexts(devices: readonly string[]): Promise<(string | null)[]> {
    if (devices.length === 0) return [];
    return this.#ask(readStrings(this.#control, devices.map(deviceMetaKey)));
  }

  /** @param meta replaces the device's metadata where it is given @throws Failure */
  async connect(device: string, meta: unknown): Promise<DeviceChange> {
    checkDeviceId(device);
    const text = meta === undefined || meta === null ? '' : encodeMetadata(meta);
    const { isConnected, isNew, isMetaChanged } = await this.#ask(this.#changes.connect(device, text));
    return {
      connection_status_changed: isConnected,
      connected: true,
      is_new_device: isNew,
      meta_set: isMetaChanged,
      'fired:device.connected': isConnected,
      'fired:device.meta': isMetaChanged,
    };
  }

  /** @throws Failure */
  async disconnect(device: string): Promise<DeviceChange> {
    checkDeviceId(device);
    const wasConnected = await this.#ask(this.#changes.disconnect(device));
    return {
      connection_status_changed: wasConnected,
      connected: false,
      'fired:device.connected': wasConnected,
    };
  }

  /** @throws Failure */
  async setMeta(device: string, meta: unknown): Promise<DeviceChange> {
    checkDeviceId(device);
    const { isNew, isMetaChanged } = await this.#ask(this.#changes.setMeta(device, encodeMetadata(meta)));
    return { is_new_device: isNew, meta_set: isMetaChanged, 'fired:device.meta': isMetaChanged };
  }

  async #ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw controlFailure(error);
    }
  }
}

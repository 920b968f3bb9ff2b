/** Devices: who is connected, who was ever seen, what they say of themselves, and the events that tell of it. */
import type { Redis } from 'ioredis';
import { checkDeviceId } from '../protocol/names.js';
import { controlFailure } from '../redis/control.js';
import {
  DEVICE_CONNECTED_EVENT,
  DEVICE_META_EVENT,
  DEVICES_CONNECTED,
  DEVICES_SEEN,
  deviceMetaKey,
} from '../redis/keys.js';
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
  readonly #control: Redis;
  readonly #eventsMaxLength: number;

  /** @param eventsMaxLength to which about the event streams are trimmed */
  constructor(control: Redis, eventsMaxLength: number) {
    this.#control = control;
    this.#eventsMaxLength = eventsMaxLength;
  }

  /** Ids in alphabetical order. @throws Failure */
  async list(includeSeen: boolean): Promise<string[]> {
    const ids = await this.#ask(this.#control.smembers(includeSeen ? DEVICES_SEEN : DEVICES_CONNECTED));
    return ids.sort();
  }

  /** @throws Failure */
  async meta(devices: readonly string[]): Promise<Metadata[]> {
    return (await this.metaTexts(devices)).map(decodeMetadata);
  }

  /** The same as it is stored; null where there is none. @throws Failure */
  async metaTexts(devices: readonly string[]): Promise<(string | null)[]> {
    if (devices.length === 0) return [];
    return this.#ask(this.#control.mget(devices.map(deviceMetaKey)));
  }

  /** @param meta replaces the device's metadata where it is given @throws Failure */
  async connect(device: string, meta: unknown): Promise<DeviceChange> {
    checkDeviceId(device);
    const text = meta === undefined || meta === null ? '' : encodeMetadata(meta);
    const [connected, seen, changed] = await this.#ask(
      this.#control.connectDevice(
        DEVICES_CONNECTED,
        DEVICES_SEEN,
        deviceMetaKey(device),
        DEVICE_CONNECTED_EVENT,
        DEVICE_META_EVENT,
        device,
        JSON.stringify(device),
        text,
        this.#eventsMaxLength,
      ),
    );
    return {
      connection_status_changed: connected === 1,
      connected: true,
      is_new_device: seen === 1,
      meta_set: changed === 1,
      'fired:device.connected': connected === 1,
      'fired:device.meta': changed === 1,
    };
  }

  /** @throws Failure */
  async disconnect(device: string): Promise<DeviceChange> {
    checkDeviceId(device);
    const [removed] = await this.#ask(
      this.#control.disconnectDevice(
        DEVICES_CONNECTED,
        deviceMetaKey(device),
        DEVICE_CONNECTED_EVENT,
        device,
        JSON.stringify(device),
        this.#eventsMaxLength,
      ),
    );
    return {
      connection_status_changed: removed === 1,
      connected: false,
      'fired:device.connected': removed === 1,
    };
  }

  /** @throws Failure */
  async setMeta(device: string, meta: unknown): Promise<DeviceChange> {
    checkDeviceId(device);
    const [seen, changed] = await this.#ask(
      this.#control.setDeviceMeta(
        DEVICES_SEEN,
        deviceMetaKey(device),
        DEVICE_META_EVENT,
        device,
        JSON.stringify(device),
        encodeMetadata(meta),
        this.#eventsMaxLength,
      ),
    );
    return { is_new_device: seen === 1, meta_set: changed === 1, 'fired:device.meta': changed === 1 };
  }

  async #ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw controlFailure(error);
    }
  }
}

/** The changes of devices, each with the events that tell of it. */
import type { Control } from '../redis/control.js';
import {
  DEVICE_CONNECTED_EVENT,
  DEVICE_META_EVENT,
  DEVICES_CONNECTED,
  DEVICES_SEEN,
  deviceMetaKey,
} from '../redis/keys.js';

/** Rejects as `control` does. */
export interface DeviceChanges {
  /** @param meta as JSON; '' leaves what there is */
  connect(
    device: string,
    meta: string,
  ): Promise<{ readonly isConnected: boolean; readonly isNew: boolean; readonly isMetaChanged: boolean }>;
  /** @returns whether it was connected */
  disconnect(device: string): Promise<boolean>;
  /** @param meta as JSON */
  setMeta(
    device: string,
    meta: string,
  ): Promise<{ readonly isNew: boolean; readonly isMetaChanged: boolean }>;
}

/** By one script for each, all or nothing: one server has all keys. */
export class ScriptedDeviceChanges implements DeviceChanges {
  readonly #control: Control;
  readonly #eventsMaxLength: number;

  /** @param eventsMaxLength to which about the event streams are trimmed */
  constructor(control: Control, eventsMaxLength: number) {
    this.#control = control;
    this.#eventsMaxLength = eventsMaxLength;
  }

  async connect(device: string, meta: string) {
    const [connected, seen, changed] = await this.#control.of(DEVICES_CONNECTED, (redis) =>
      redis.connectDevice(
        DEVICES_CONNECTED,
        DEVICES_SEEN,
        deviceMetaKey(device),
        DEVICE_CONNECTED_EVENT,
        DEVICE_META_EVENT,
        device,
        JSON.stringify(device),
        meta,
        this.#eventsMaxLength,
      ),
    );
    return { isConnected: connected === 1, isNew: seen === 1, isMetaChanged: changed === 1 };
  }

  async disconnect(device: string): Promise<boolean> {
    const [removed] = await this.#control.of(DEVICES_CONNECTED, (redis) =>
      redis.disconnectDevice(
        DEVICES_CONNECTED,
        deviceMetaKey(device),
        DEVICE_CONNECTED_EVENT,
        device,
        JSON.stringify(device),
        this.#eventsMaxLength,
      ),
    );
    return removed === 1;
  }

  async setMeta(device: string, meta: string) {
    const [seen, changed] = await this.#control.of(DEVICES_SEEN, (redis) =>
      redis.setDeviceMeta(
        DEVICES_SEEN,
        deviceMetaKey(device),
        DEVICE_META_EVENT,
        device,
        JSON.stringify(device),
        meta,
        this.#eventsMaxLength,
      ),
    );
    return { isNew: seen === 1, isMetaChanged: changed === 1 };
  }
}

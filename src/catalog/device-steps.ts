/**
 * The changes of devices in steps, for a cluster, where no script may have keys of several slots.
 *
 * An event is stored before the change that it tells of. Where a step fails, the client is told so, and makes the change
 * again: an event may come twice then, and is never missing. Changes of a device come one after the other here; where
 * two gateways change the same device at once, the events may be in another order than the changes.
 */
import type { Control } from '../redis/control.js';
import { failureFromRedis } from '../redis/error-replies.js';
import {
  DEVICE_CONNECTED_EVENT,
  DEVICE_META_EVENT,
  DEVICES_CONNECTED,
  DEVICES_SEEN,
  deviceMetaKey,
} from '../redis/keys.js';
import type { DeviceChanges } from './device-changes.js';
import { metadataText } from './metadata.js';

export class SteppedDeviceChanges implements DeviceChanges {
  readonly #control: Control;
  readonly #eventsMaxLength: number;
  /** Of each device that is being changed, the end of its last change. */
  readonly #turns = new Map<string, Promise<unknown>>();

  /** @param eventsMaxLength to which about the event streams are trimmed */
  constructor(control: Control, eventsMaxLength: number) {
    this.#control = control;
    this.#eventsMaxLength = eventsMaxLength;
  }

  connect(device: string, meta: string) {
    return this.#inTurn(device, async () => {
      const key = deviceMetaKey(device);
      await this.#checkTypes({
        [DEVICES_CONNECTED]: 'set',
        [DEVICES_SEEN]: 'set',
        [key]: 'string',
        [DEVICE_CONNECTED_EVENT]: 'stream',
        [DEVICE_META_EVENT]: 'stream',
      });
      const [wasConnected, stored] = await Promise.all([this.#isConnected(device), this.#get(key)]);
      const isMetaChanged = meta !== '' && meta !== stored;
      const told = meta === '' ? metadataText(stored) : meta;
      if (!wasConnected) await this.#tellConnected(device, true, told);
      if (isMetaChanged) await this.#tellMeta(device, told);
      const [isNew] = await Promise.all([
        this.#addSeen(device),
        this.#control.of(DEVICES_CONNECTED, (redis) => redis.sadd(DEVICES_CONNECTED, device)),
        isMetaChanged && this.#control.of(key, (redis) => redis.set(key, meta)),
      ]);
      return { isConnected: !wasConnected, isNew, isMetaChanged };
    });
  }

  disconnect(device: string): Promise<boolean> {
    return this.#inTurn(device, async () => {
      const key = deviceMetaKey(device);
      await this.#checkTypes({
        [DEVICES_CONNECTED]: 'set',
        [key]: 'string',
        [DEVICE_CONNECTED_EVENT]: 'stream',
      });
      const [wasConnected, stored] = await Promise.all([this.#isConnected(device), this.#get(key)]);
      if (!wasConnected) return false;
      await this.#tellConnected(device, false, metadataText(stored));
      await this.#control.of(DEVICES_CONNECTED, (redis) => redis.srem(DEVICES_CONNECTED, device));
      return true;
    });
  }

  setMeta(device: string, meta: string) {
    return this.#inTurn(device, async () => {
      const key = deviceMetaKey(device);
      await this.#checkTypes({ [DEVICES_SEEN]: 'set', [key]: 'string', [DEVICE_META_EVENT]: 'stream' });
      const isMetaChanged = (await this.#get(key)) !== meta;
      if (isMetaChanged) await this.#tellMeta(device, meta);
      const [isNew] = await Promise.all([
        this.#addSeen(device),
        isMetaChanged && this.#control.of(key, (redis) => redis.set(key, meta)),
      ]);
      return { isNew, isMetaChanged };
    });
  }

  /** Nothing is written where a later step would be refused. @throws Failure `wrong_type` */
  async #checkTypes(wanted: Readonly<Record<string, string>>): Promise<void> {
    await Promise.all(
      Object.entries(wanted).map(async ([key, type]) => {
        const found = await this.#control.of(key, (redis) => redis.type(key));
        if (found === 'none' || found === type) return;
        throw failureFromRedis(`WRONGTYPE ${key} is a ${found} and not a ${type}`);
      }),
    );
  }

  async #isConnected(device: string): Promise<boolean> {
    const found = await this.#control.of(DEVICES_CONNECTED, (redis) =>
      redis.sismember(DEVICES_CONNECTED, device),
    );
    return found === 1;
  }

  #get(key: string): Promise<string | null> {
    return this.#control.of(key, (redis) => redis.get(key));
  }

  /** @returns whether it had never been seen */
  async #addSeen(device: string): Promise<boolean> {
    return (await this.#control.of(DEVICES_SEEN, (redis) => redis.sadd(DEVICES_SEEN, device))) === 1;
  }

  #tellConnected(device: string, connected: boolean, meta: string): Promise<unknown> {
    const event = `{"device_id":${JSON.stringify(device)},"connected":${connected},"meta":${meta}}`;
    return this.#tell(DEVICE_CONNECTED_EVENT, event);
  }

  #tellMeta(device: string, meta: string): Promise<unknown> {
    return this.#tell(DEVICE_META_EVENT, `{"device_id":${JSON.stringify(device)},"meta":${meta}}`);
  }

  #tell(key: string, event: string): Promise<unknown> {
    return this.#control.of(key, (redis) =>
      redis.xadd(key, 'MAXLEN', '~', this.#eventsMaxLength, '*', 'd', event),
    );
  }

  /** Makes the change after those of the device that are under way. */
  async #inTurn<T>(device: string, change: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(device) ?? Promise.resolve()).then(change);
    const end = turn.catch(() => {});
    this.#turns.set(device, end);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(device) === end) this.#turns.delete(device);
    }
  }
}

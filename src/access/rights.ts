/**
 * What a token allows, asked by the keys of streams: whichever way a request names a stream, it is the key
 * that is read or written in the end.
 *
 * A token for a device is a wall: no key of another device is allowed, whatever its rights say, and its
 * client neither gives nor is given the device's part of a name. System streams tell of all devices, so
 * that they lie beyond every wall.
 */
import { z } from 'zod';
import { Failure } from '../protocol/errors.js';
import { checkDeviceId } from '../protocol/names.js';
import { DEFAULT_DEVICE } from '../protocol/parameters.js';
import { devicePrefix, splitStreamKey } from '../redis/keys.js';
import { matchesAll, matchGlob } from './globs.js';

/**
 * `read`: entries, lengths, metadata. `write`: append. `meta`: change metadata, connect and disconnect
 * devices. `admin`: delete. None includes another.
 */
export const ACTIONS = ['read', 'write', 'meta', 'admin'] as const;
export type Action = (typeof ACTIONS)[number];

/** To complete "this token may not …". */
const DOING: Record<Action, string> = {
  read: 'read',
  write: 'write to',
  meta: 'change the metadata of',
  admin: 'delete',
};

const MAX_RIGHTS = 1000;
const GLOB = z.string().min(1).max(512);

/** One right: these actions, on streams of these names of these devices. */
const RIGHT = z.strictObject({
  device: GLOB.default('*'),
  stream: GLOB.default('*'),
  actions: z.array(z.enum(ACTIONS)).min(1),
});

function isDeviceId(id: string): boolean {
  try {
    checkDeviceId(id);
    return true;
  } catch {
    return false;
  }
}

/**
 * What a token says of its rights, in the tokens file and in a JWT's claim alike. Strict: a misspelt
 * `device` must not be taken for none.
 */
export const ENTITLEMENT = {
  device: z.string().refine(isDeviceId, 'is not a device id').optional(),
  rights: z.array(RIGHT).max(MAX_RIGHTS),
};

export type Right = z.output<typeof RIGHT>;

export interface Entitlement {
  /** The device that the token is for. */
  readonly device?: string | undefined;
  readonly rights: readonly Right[];
}

/** Of whoever may do all: without access control everybody. */
const EVERYTHING: Entitlement = { rights: [{ device: '*', stream: '*', actions: [...ACTIONS] }] };

export class Rights {
  /** The one device that is seen, by names without its prefix; undefined: whole keys are seen. */
  readonly wall: string | undefined;
  readonly #rights: readonly Right[];
  readonly #devicePrefixing: boolean;
  /** What is allowed on every stream there may be, so that no name needs to be looked at. */
  readonly #anywhere: ReadonlySet<Action>;

  constructor({ device, rights }: Entitlement, devicePrefixing: boolean) {
    this.wall = device;
    this.#rights = rights;
    this.#devicePrefixing = devicePrefixing;
    const isAnywhere = (right: Right) =>
      device === undefined && matchesAll(right.device) && matchesAll(right.stream);
    this.#anywhere = new Set(rights.filter(isAnywhere).flatMap(({ actions }) => actions));
  }

  static everything(devicePrefixing: boolean): Rights {
    return new Rights(EVERYTHING, devicePrefixing);
  }

  /** The device that is meant where a request names none. */
  get home(): string {
    return this.wall ?? DEFAULT_DEVICE;
  }

  /** Whether a stream may be used so. */
  may(action: Action, key: string): boolean {
    if (this.#anywhere.has(action)) return true;
    const { device, name } = splitStreamKey(key, this.#devicePrefixing);
    if (this.wall !== undefined && device !== this.wall) return false;
    // Only a glob that fits any device at all fits a stream of none.
    return this.#rights.some(
      (right) =>
        right.actions.includes(action) &&
        matchGlob(right.device, device ?? '') &&
        matchGlob(right.stream, name),
    );
  }

  /** @param name as the client knows the stream @throws Failure `forbidden` */
  check(action: Action, key: string, name: string): void {
    if (!this.may(action, key)) throw refusal(action, `'${name}'`);
  }

  /** Whether any stream of a device may be used so: what else is known of the device may be read, too. */
  maySome(action: Action, device: string): boolean {
    if (this.wall !== undefined && device !== this.wall) return false;
    return this.#rights.some((right) => right.actions.includes(action) && matchGlob(right.device, device));
  }

  /** @throws Failure `forbidden` */
  checkSome(action: Action, device: string): void {
    if (!this.maySome(action, device)) throw refusal(action, `streams of the device '${device}'`);
  }

  /** For what concerns a device as a whole: all of its streams must be allowed. @throws Failure `forbidden` */
  checkDevice(action: Action, device: string): void {
    this.checkWall(device);
    const isAllowed = this.#rights.some(
      (right) =>
        right.actions.includes(action) && matchGlob(right.device, device) && matchesAll(right.stream),
    );
    if (!isAllowed) throw refusal(action, `the device '${device}'`);
  }

  /** @throws Failure `forbidden` where the device lies beyond the wall */
  checkWall(device: string): void {
    if (this.wall !== undefined && device !== this.wall) {
      throw new Failure('forbidden', `this token is for another device than '${device}'`);
    }
  }

  /** Whether all streams within the wall may be used so; without one, those of all devices. */
  mayAll(action: Action): boolean {
    return this.#rights.some(
      (right) =>
        right.actions.includes(action) &&
        matchesAll(right.stream) &&
        (this.wall === undefined ? matchesAll(right.device) : matchGlob(right.device, this.wall)),
    );
  }

  /** The key's part that the client is not shown: the wall's device prefix. */
  get hiddenPrefix(): string {
    return this.wall === undefined ? '' : devicePrefix(this.wall);
  }

  /** An allowed key, as the client knows it. */
  nameOf(key: string): string {
    return key.slice(this.hiddenPrefix.length);
  }
}

function refusal(action: Action, what: string): Failure {
  return new Failure('forbidden', `this token may not ${DOING[action]} ${what}`);
}

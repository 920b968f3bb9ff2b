/**
 * Listings of stream keys. However many a request asks for, Redis walks its keys once for all of them, and gets
 * only a literal prefix to compare with: patterns are matched here, in linear time and in slices.
 */
import { Failure } from '../protocol/errors.js';
import { type Control, controlFailure } from '../redis/control.js';
import { STREAM_META_PREFIX } from '../redis/keys.js';
import { KeyGlob } from './key-glob.js';
import { mergeSorted, sortInSlices } from './sorted-keys.js';
import { scanKeys } from './stream-keys.js';
import { TimeSlices } from './time-slices.js';

/** What a listing may hold at a time: keys of all its scopes. */
const MAX_LISTED = 500_000;
/** Keys that are looked at between two looks at the clock. */
const KEYS_A_LOOK = 200;

/** Which keys are wanted. */
export interface KeyScope {
  /** What they begin with, letter for letter. */
  readonly prefix: string;
  /** A Redis glob that what follows must fit; undefined: any. */
  readonly match?: string | undefined;
}

/** Keys in alphabetical order. */
export interface KeyListing {
  readonly streams: readonly string[];
  /** Streams that have metadata, whether they exist or not. */
  readonly described: readonly string[];
  /** Both. */
  readonly all: readonly string[];
}

/** All that there is. */
const EVERYTHING: KeyScope = { prefix: '' };

/**
 * A listing for each scope, in order.
 * @param isWanted keys that are not are left out of all of them
 * @throws Failure; `bad_parameter` for a pattern that cannot be matched in linear time, `payload_too_large`
 */
export async function listScopes(
  control: Control,
  scopes: readonly KeyScope[],
  isWanted: (key: string) => boolean = () => true,
): Promise<KeyListing[]> {
  const filters = scopes.map((scope) => new ScopeFilter(scope));
  const start = commonStart(filters.map(({ start }) => start));
  const isListed = (key: string) => isWanted(key) && filters.some((filter) => filter.has(key));
  const [streams, described] = await Promise.all([
    collect(control, start, 'stream', '', isListed),
    collect(control, start, 'string', STREAM_META_PREFIX, isListed),
  ]);
  const listings: KeyListing[] = [];
  let listed = 0;
  for (const filter of filters) {
    const mine = [await filter.pick(streams), await filter.pick(described)] as const;
    const all = await mergeSorted(...mine);
    listed += all.length;
    if (listed > MAX_LISTED) throw tooMany();
    listings.push({ streams: mine[0], described: mine[1], all });
  }
  return listings;
}

/** The listing of one scope. @throws Failure as `listScopes` */
export async function listKeys(control: Control, scope: KeyScope = EVERYTHING): Promise<KeyListing> {
  return (await listScopes(control, [scope]))[0]!;
}

const tooMany = () =>
  new Failure(
    'payload_too_large',
    `the listings of a request would have more than ${MAX_LISTED} keys: narrow them by prefix or match`,
  );

class ScopeFilter {
  /** What all of its keys begin with. */
  readonly start: string;
  readonly #prefix: string;
  readonly #glob: KeyGlob | undefined;

  constructor({ prefix, match }: KeyScope) {
    this.#prefix = prefix;
    this.#glob = match === undefined ? undefined : new KeyGlob(match);
    this.start = prefix + (this.#glob?.literalStart ?? '');
  }

  has(key: string): boolean {
    if (!key.startsWith(this.#prefix)) return false;
    return this.#glob === undefined || this.#glob.matches(key.slice(this.#prefix.length));
  }

  async pick(keys: readonly string[]): Promise<string[]> {
    const slices = new TimeSlices();
    const picked: string[] = [];
    for (let from = 0; from < keys.length; from += KEYS_A_LOOK) {
      for (const key of keys.slice(from, from + KEYS_A_LOOK)) if (this.has(key)) picked.push(key);
      await slices.pause();
    }
    return picked;
  }
}

/** Keys that are listed, sorted; `before` is left off the names that Redis has. */
async function collect(
  control: Control,
  start: string,
  type: 'stream' | 'string',
  before: string,
  isListed: (key: string) => boolean,
): Promise<string[]> {
  const found = new Set<string>();
  const slices = new TimeSlices();
  try {
    for await (const batch of scanKeys(control, before + start, type)) {
      for (let from = 0; from < batch.length; from += KEYS_A_LOOK) {
        for (const name of batch.slice(from, from + KEYS_A_LOOK)) {
          const key = name.slice(before.length);
          if (isListed(key)) found.add(key);
        }
        if (found.size > MAX_LISTED) throw tooMany();
        await slices.pause();
      }
    }
  } catch (error) {
    throw controlFailure(error);
  }
  return sortInSlices([...found]);
}

/** The longest text that all begin with. */
function commonStart(texts: readonly string[]): string {
  const [first = '', ...others] = texts;
  let length = first.length;
  for (const text of others) {
    let same = 0;
    while (same < length && text[same] === first[same]) same++;
    length = same;
  }
  // Half a character would be sent as another one.
  const start = first.slice(0, length);
  return start.isWellFormed() ? start : start.slice(0, -1);
}

/**
 * A request's streams: each listing of keys, once; and what is asked of streams, for all that are asked for
 * together in one round trip, however they are nested.
 */
import type { Redis } from 'ioredis';
import type { Rights } from '../access/rights.js';
import type { DescribeRequest, EntryForm, StreamDescription } from '../redis/stream-describer.js';
import {
  allKeys,
  type DeviceStream,
  groupByDevice,
  type KeyListing,
  listKeys,
} from '../streams/stream-keys.js';
import type { Threads } from '../streams/threads.js';
import { AnswerBudget } from '../wire/answer-budget.js';
import { BatchLoader } from './batch-loader.js';
import type { StreamWants } from './stream-wants.js';

interface Wanted {
  readonly keys: readonly string[];
  readonly wants: StreamWants;
}

export class StreamLoader {
  readonly #control: Redis;
  readonly #rights: Rights;
  readonly #devicePrefixing: boolean;
  readonly #descriptions: BatchLoader<Wanted, readonly StreamDescription[]>;
  readonly #budget = new AnswerBudget();
  readonly #listings = new Map<string, Promise<KeyListing>>();
  #byDevice: Promise<Map<string, DeviceStream[]>> | undefined;

  constructor(control: Redis, threads: Threads, rights: Rights, devicePrefixing: boolean) {
    this.#control = control;
    this.#rights = rights;
    this.#devicePrefixing = devicePrefixing;
    this.#descriptions = new BatchLoader((wanted) => describeAll(threads, wanted));
  }

  /** What the selected fields need to know of each key, in order. @throws Failure */
  async describe(keys: readonly string[], wants: StreamWants): Promise<readonly StreamDescription[]> {
    const described = await this.#descriptions.load({ keys, wants });
    // What is read once is printed for each asker, and under each name.
    for (const { answerBytes } of described) this.#budget.spend(answerBytes, wants.copies);
    return described;
  }

  /** `listKeys`, of streams that may be read, once for the same arguments; a wall's device counts as no prefix. */
  list(match?: string, prefix = ''): Promise<KeyListing> {
    const name = JSON.stringify([match, prefix]);
    const listing = this.#listings.get(name) ?? this.#listReadable(match, prefix);
    this.#listings.set(name, listing);
    return listing;
  }

  async #listReadable(match: string | undefined, prefix: string): Promise<KeyListing> {
    const isReadable = (key: string) => this.#rights.may('read', key);
    const listing = await listKeys(this.#control, match, this.#rights.hiddenPrefix + prefix);
    return {
      streams: listing.streams.filter(isReadable),
      described: listing.described.filter(isReadable),
    };
  }

  /** A device's streams, in alphabetical order. */
  async streamsOf(device: string): Promise<readonly DeviceStream[]> {
    this.#byDevice ??= this.list().then((listing) => groupByDevice(allKeys(listing), this.#devicePrefixing));
    return (await this.#byDevice).get(device) ?? [];
  }
}

/** One request to the pool for all; each stream is asked for what any of its askers want. */
async function describeAll(
  threads: Threads,
  wanted: readonly Wanted[],
): Promise<readonly (readonly StreamDescription[])[]> {
  // Streams of which less is wanted must not be read as if it were more, so like goes with like.
  const groups = new Map<string, { wants: StreamWants; keys: Set<string> }>();
  for (const { keys, wants } of wanted) {
    const name = JSON.stringify(wants);
    const group = groups.get(name) ?? { wants, keys: new Set() };
    groups.set(name, group);
    for (const key of keys) group.keys.add(key);
  }
  const described = new Map<string, Map<string, StreamDescription>>();
  await Promise.all(
    [...groups].map(async ([name, { wants, keys }]) => {
      const list = [...keys];
      const descriptions = await threads.describe({ ...toRequest(wants), keys: list });
      described.set(name, new Map(list.map((key, index) => [key, descriptions[index]!])));
    }),
  );
  return wanted.map(({ keys, wants }) => {
    const found = described.get(JSON.stringify(wants))!;
    return keys.map((key) => found.get(key)!);
  });
}

function toRequest({ info, first, last, meta }: StreamWants): Omit<DescribeRequest, 'keys'> {
  const forms = (wanted: readonly EntryForm[]) => [...wanted];
  return { info, first: forms(first), last: forms(last), meta };
}

/**
 * A request's streams: each listing of keys, once; and what is asked of streams, for all that are asked for
 * together in one round trip, however they are nested.
 */
import {
  type DescribeRequest,
  emptyDescription,
  type StreamDescription,
} from '../../workers/stream-description.js';
import type { Rights } from '../access/rights.js';
import { type KeyListing, type KeyScope, listScopes } from '../catalog/key-listing.js';
import { type DeviceStream, groupByDevice } from '../catalog/stream-keys.js';
import { ownTurn } from '../catalog/time-slices.js';
import { AnswerBudget } from '../protocol/answer-budget.js';
import type { Control } from '../redis/control.js';
import type { Describes } from '../threads/describes.js';
import { BatchLoader } from './batch-loader.js';
import type { RequestedStreamFields } from './requested-stream-fields.js';

/** Streams in one request to the pool, whose answer is copied to the main thread at once: some hundred scripts' worth. */
const DESCRIBED_AT_ONCE = 1000;
/** Of longer lists each is made in a turn of the event loop of its own. */
const SHORT_LIST = 1000;
/** So many names of a request are described before it is known which streams they mean. */
const MAX_GUESSES = 2;
/** For lists of which nothing is asked but what the listing gave. */
const NOTHING_KNOWN = emptyDescription();

interface DescribedStreams {
  readonly keys: readonly string[];
  readonly wants: RequestedStreamFields;
}

/** What was asked of streams that a name may mean. */
export interface Guess {
  readonly keys: readonly string[];
  readonly descriptions: Promise<readonly StreamDescription[]>;
}

export class StreamLoader {
  readonly #rights: Rights;
  readonly #devicePrefixing: boolean;
  readonly #describes: Describes;
  readonly #descriptions: BatchLoader<DescribedStreams, readonly StreamDescription[]>;
  readonly #budget: AnswerBudget;
  readonly #scopes: BatchLoader<KeyScope, KeyListing>;
  readonly #listings = new Map<string, Promise<KeyListing>>();
  #guesses = 0;
  #byDevice: Promise<Map<string, DeviceStream[]>> | undefined;

  /** @param budget of the request's answer */
  constructor(
    control: Control,
    describes: Describes,
    rights: Rights,
    devicePrefixing: boolean,
    budget: AnswerBudget,
  ) {
    this.#rights = rights;
    this.#devicePrefixing = devicePrefixing;
    this.#budget = budget;
    this.#describes = describes;
    this.#descriptions = new BatchLoader((wanted) => describeAll(describes, wanted));
    const isReadable = (key: string) => rights.may('read', key);
    this.#scopes = new BatchLoader((scopes) => listScopes(control, scopes, isReadable));
  }

  /**
   * What the selected fields need to know of each key, in order.
   * @param ids what the answer calls them
   * @param guessed where it was asked for before
   * @throws Failure
   */
  async describe(
    keys: readonly string[],
    ids: readonly string[],
    wants: RequestedStreamFields,
    guessed?: Guess,
  ): Promise<readonly StreamDescription[]> {
    this.#budget.spendList(ids, wants.fields, wants.ids);
    if (needsNothing(wants)) {
      await this.listReady(keys);
      return keys.map(() => NOTHING_KNOWN);
    }
    const described =
      guessed !== undefined && keys.every((key) => guessed.keys.includes(key))
        ? await this.#described(keys, guessed)
        : await this.#descriptions.load({ keys, wants });
    // What is read once is printed for each asker, and under each name.
    for (const { answerBytes } of described) this.#budget.spend(answerBytes, wants.copies);
    await this.listReady(keys);
    return described;
  }

  /**
   * Describes the streams that a name may mean, while Redis is asked which of them it means: in the same round trip.
   * @returns undefined where that would be much
   */
  guess(keys: readonly string[], wants: RequestedStreamFields): Guess | undefined {
    const request = { ...toRequest(wants), keys };
    if (needsNothing(wants) || this.#guesses === MAX_GUESSES || !this.#describes.isSmall(request)) {
      return undefined;
    }
    this.#guesses++;
    const descriptions = this.#describes.describe(request);
    // It may not be looked at.
    descriptions.catch(() => {});
    return { keys, descriptions };
  }

  /** A name does not mean this stream, since there is none. */
  noteNone(key: string, wants: RequestedStreamFields): void {
    this.#describes.noteNone(key, wants);
  }

  async #described(
    keys: readonly string[],
    { keys: guessed, descriptions }: Guess,
  ): Promise<readonly StreamDescription[]> {
    const described = await descriptions;
    return keys.map((key) => described[guessed.indexOf(key)]!);
  }

  /** Waits for the turn in which a list may be made into its answer. */
  async listReady(list: readonly unknown[]): Promise<void> {
    if (list.length > SHORT_LIST) await ownTurn();
  }

  /** Streams that may be read, once for the same arguments; a wall's device counts as no prefix. */
  list(match?: string, prefix = ''): Promise<KeyListing> {
    const name = JSON.stringify([match, prefix]);
    const known = this.#listings.get(name);
    if (known !== undefined) return known;
    const listing = this.#scopes.load({ prefix: this.#rights.hiddenPrefix + prefix, match });
    this.#listings.set(name, listing);
    return listing;
  }

  /** A device's streams, in alphabetical order. */
  async streamsOf(device: string): Promise<readonly DeviceStream[]> {
    this.#byDevice ??= this.list().then(({ all }) => groupByDevice(all, this.#devicePrefixing));
    return (await this.#byDevice).get(device) ?? [];
  }
}

const needsNothing = ({ info, first, last, meta }: RequestedStreamFields) =>
  info === 'none' && first.length === 0 && last.length === 0 && !meta;

/** Each stream is asked for once, for what any of its askers want, in as few requests to the pool as may be. */
async function describeAll(
  describes: Describes,
  wanted: readonly DescribedStreams[],
): Promise<readonly (readonly StreamDescription[])[]> {
  // Streams of which less is wanted must not be read as if it were more, so like goes with like.
  const groups = new Map<string, Group>();
  for (const { keys, wants } of wanted) {
    const group = groups.get(wants.kind) ?? { wants, described: new Map() };
    groups.set(wants.kind, group);
    for (const key of keys) group.described.set(key, NOTHING_KNOWN);
  }
  await Promise.all([...groups.values()].map((group) => describeGroup(describes, group)));
  const all: StreamDescription[][] = [];
  for (const { keys, wants } of wanted) {
    const { described } = groups.get(wants.kind)!;
    all.push(keys.map((key) => described.get(key)!));
    if (keys.length > SHORT_LIST) await ownTurn();
  }
  return all;
}

interface Group {
  readonly wants: RequestedStreamFields;
  readonly described: Map<string, StreamDescription>;
}

/** One request after the other, so that of a refused one nothing more is read. */
async function describeGroup(describes: Describes, { wants, described }: Group): Promise<void> {
  const keys = [...described.keys()];
  const budget = new AnswerBudget();
  for (let from = 0; from < keys.length; from += DESCRIBED_AT_ONCE) {
    const asked = keys.slice(from, from + DESCRIBED_AT_ONCE);
    const descriptions = await describes.describe({ ...toRequest(wants), keys: asked });
    descriptions.forEach((description, index) => {
      budget.spend(description.answerBytes);
      described.set(asked[index]!, description);
    });
  }
}

function toRequest({ info, first, last, meta }: RequestedStreamFields): Omit<DescribeRequest, 'keys'> {
  return { info, first, last, meta };
}

/**
 * What there is, for whoever watches: devices, and streams with how they stand. Looked at once a second for all
 * together, and not at all while nobody does.
 *
 * However many streams there are, a look costs Redis little: it asks for those that are shown, and for some of
 * the others in turn; and keys are listed the more seldom the longer that takes.
 */
import type { Rights } from '../access/rights.js';
import { compareEntryIds } from '../protocol/entry-id.js';
import { asFailure, Failure, type FailureBody } from '../protocol/errors.js';
import type { Overview, StreamOverview } from '../protocol/overview.js';
import type { Control } from '../redis/control.js';
import { splitStreamKey } from '../redis/keys.js';
import type { Threads } from '../threads/threads.js';
import { Devices } from './devices.js';
import type { FollowerCounts } from './follower-counts.js';
import { listStreamKeys } from './stream-keys.js';
import { ScriptsRefused, type SurveyedStream, surveyStreams, unknownState } from './stream-survey.js';

/** One for all, a second after the other. */
const PERIOD_MS = 1000;
/** Streams, and devices, that one viewer is told of. */
const MAX_SHOWN = 1000;
/** Streams that are shown to anybody, and looked at each time. */
const MAX_WATCHED = 2000;
/** Others that are looked at each time, so that those come to be shown that are written to. */
const OTHERS_AT_A_TIME = 1000;
/** Streams that are known of at all. */
const MAX_KNOWN = 20_000;
/** Where Redis runs no scripts, looking at a stream moves two frames. */
const FRAMES_AT_A_TIME = 20;
/** Listing takes this part of the time at most. */
const LISTING_SHARE = 0.05;
/** What Redis says of a key that is not there. */
const MISSING = 'no such key';

/** Who watches. */
export interface OverviewViewer {
  readonly rights: Rights;
  /** What the keys hold that are wanted. */
  readonly filter: string;
  /** @param text an `Overview` as JSON */
  onOverview(text: string): void;
  /** There is none this time. */
  onFailure(failure: FailureBody): void;
}

export interface OverviewParts {
  readonly control: Control;
  readonly followers: FollowerCounts;
  readonly threads: Pick<Threads, 'describe'>;
  readonly devicePrefixing: boolean;
}

export class OverviewWatch {
  readonly #parts: OverviewParts;
  readonly #devices: Devices;
  readonly #viewers = new Set<OverviewViewer>();
  /** By their keys; those that have not been looked at for longest are first. */
  readonly #streams = new Map<string, SurveyedStream>();
  /** The same, the most recently written first, without those that may not be read. */
  #sorted: SurveyedStream[] = [];
  #connected: ReadonlySet<string> = new Set();
  #seen: readonly string[] = [];
  /** Keys that were shown to somebody last time. */
  #shown = new Set<string>();
  /** When keys may be listed again. */
  #listAt = 0;
  /** Whose streams were listed. */
  #listedFor: ReadonlySet<Rights> = new Set();
  #runsScripts = true;
  /** What was sent last to viewers with the same rights and filter. */
  #sent = new Map<Rights, Map<string, Promise<string>>>();
  #lookedAt = 0;
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: OverviewParts) {
    this.#parts = parts;
    // Nothing is changed here, so that no event is stored.
    this.#devices = new Devices(parts.control, 0);
  }

  /** Tells `viewer` at once, or within a second, and then once a second. @returns ends that */
  watch(viewer: OverviewViewer): () => void {
    this.#viewers.add(viewer);
    if (this.#viewers.size === 1) this.#look();
    else if (!this.#listedFor.has(viewer.rights)) this.#listAt = 0;
    // What is a moment old serves others who come.
    else if (this.#lookedAt > 0) void this.#tell(viewer);
    return () => {
      this.#viewers.delete(viewer);
      if (this.#viewers.size === 0) this.#forget();
    };
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#streams.clear();
    this.#sorted = [];
    this.#shown.clear();
    this.#sent.clear();
    this.#listedFor = new Set();
    this.#listAt = 0;
    this.#lookedAt = 0;
  }

  async #look(): Promise<void> {
    // One that is still under way, for viewers who have left, goes on for those who have come.
    if (this.#isLooking) return;
    this.#isLooking = true;
    const begun = performance.now();
    try {
      if (!this.#parts.control.isReady) throw new Failure('redis_unavailable', 'Redis cannot be reached');
      if (begun >= this.#listAt) await this.#list();
      await this.#survey();
      this.#sort();
      this.#sent.clear();
      this.#shown.clear();
      this.#lookedAt = Date.now();
      await Promise.all([...this.#viewers].map((viewer) => this.#tell(viewer)));
    } catch (error) {
      const { body } = asFailure(error);
      for (const viewer of this.#viewers) viewer.onFailure(body);
    }
    this.#isLooking = false;
    if (this.#viewers.size === 0) return this.#forget();
    const rest = Math.max(PERIOD_MS - (performance.now() - begun), PERIOD_MS / 4);
    this.#timer = setTimeout(() => this.#look(), rest);
  }

  async #list(): Promise<void> {
    const begun = performance.now();
    // What nobody may see is not asked for: Redis may not let us either.
    const listedFor = new Set([...this.#viewers].map(({ rights }) => rights));
    const isWanted = (key: string) => [...listedFor].some((rights) => rights.may('read', key));
    const { control } = this.#parts;
    const [{ keys, isWhole }, connected, seen] = await Promise.all([
      listStreamKeys(control, isWanted, MAX_KNOWN),
      this.#listDevices(false),
      this.#listDevices(true),
    ]);
    for (const key of this.#streams.keys()) if (isWhole && !keys.has(key)) this.#streams.delete(key);
    for (const key of keys) {
      if (this.#streams.size >= MAX_KNOWN) break;
      if (!this.#streams.has(key)) this.#streams.set(key, unknownState(key));
    }
    if (connected !== undefined) this.#connected = new Set(connected);
    const ids = seen ?? this.#seen;
    this.#seen = [...this.#connected, ...ids.filter((id) => !this.#connected.has(id))];
    this.#listedFor = listedFor;
    const isComplete = [...this.#viewers].every(({ rights }) => listedFor.has(rights));
    const end = performance.now();
    this.#listAt = isComplete ? end + (end - begun) / LISTING_SHARE - (end - begun) : 0;
  }

  /** @returns undefined where that part of a cluster is away */
  async #listDevices(includeSeen: boolean): Promise<readonly string[] | undefined> {
    try {
      return await this.#devices.list(includeSeen);
    } catch (error) {
      const isPart = !this.#parts.control.takesManyKeys && this.#parts.control.isReady;
      if (!isPart || asFailure(error).code !== 'redis_unavailable') throw error;
      return undefined;
    }
  }

  async #survey(): Promise<void> {
    let watched = 0;
    let others = 0;
    // In the order in which they were looked at last, so that nobody is passed over where not all have their turn.
    const due = [...this.#streams.values()].filter(({ key, isForbidden }) => {
      if (isForbidden || !this.#parts.control.serves(key)) return false;
      return this.#shown.has(key) ? watched++ < MAX_WATCHED : others++ < OTHERS_AT_A_TIME;
    });
    for (const state of await this.#lookAt(due)) {
      this.#streams.delete(state.key);
      this.#streams.set(state.key, state);
    }
  }

  async #lookAt(due: readonly SurveyedStream[]): Promise<readonly SurveyedStream[]> {
    if (this.#runsScripts) {
      try {
        return await surveyStreams(this.#parts.control, due);
      } catch (error) {
        if (!(error instanceof ScriptsRefused)) throw error;
        this.#runsScripts = false;
      }
    }
    const few = due.slice(0, FRAMES_AT_A_TIME);
    const keys = few.map(({ key }) => key);
    const described = await this.#parts.threads.describe({
      keys,
      info: 'all',
      first: [],
      last: [],
      meta: false,
    });
    described.forEach(({ length, entriesAdded, lastEntryId, error }, index) => {
      const state = few[index]!;
      // One that is gone may come again; what else is wrong with a key stays so.
      if (error !== '') Object.assign(state, unknownState(state.key), { isForbidden: error !== MISSING });
      else Object.assign(state, { length, entriesAdded, lastEntryId });
    });
    return few;
  }

  /** Few change their place from one time to the next, which makes sorting cheap. */
  #sort(): void {
    const isKnown = (state: SurveyedStream) => this.#streams.get(state.key) === state;
    const before = new Set(this.#sorted);
    const added = [...this.#streams.values()].filter((state) => !before.has(state));
    this.#sorted = [...this.#sorted, ...added]
      .filter((state) => isKnown(state) && !state.isForbidden && state.length >= 0)
      .sort(byLastEntry);
  }

  async #tell(viewer: OverviewViewer): Promise<void> {
    const { rights, filter } = viewer;
    const byFilter = this.#sent.get(rights) ?? new Map<string, Promise<string>>();
    this.#sent.set(rights, byFilter);
    let text = byFilter.get(filter);
    if (text === undefined) {
      text = this.#describe(rights, filter).then((overview) => JSON.stringify(overview));
      byFilter.set(filter, text);
    }
    const overview = await text;
    // It may have left meanwhile.
    if (this.#viewers.has(viewer)) viewer.onOverview(overview);
  }

  async #describe(rights: Rights, filter: string): Promise<Overview> {
    const fitting = this.#sorted.filter(
      ({ key }) => rights.may('read', key) && rights.nameOf(key).includes(filter),
    );
    const shown = fitting.slice(0, MAX_SHOWN);
    for (const { key } of shown) this.#shown.add(key);
    const { away } = this.#parts.control;
    const followers = await this.#parts.followers.count(shown.map(({ key }) => key));
    return {
      at: this.#lookedAt,
      devices: this.#seen
        .filter((id) => rights.maySome('read', id))
        .slice(0, MAX_SHOWN)
        .map((id) => ({ id, connected: this.#connected.has(id) })),
      streams: shown.map((state, index) => this.#describeStream(rights, state, followers[index]!)),
      omitted: fitting.length - shown.length,
      ...(away.length === 0 ? {} : { away }),
    };
  }

  #describeStream(rights: Rights, state: SurveyedStream, followers: number): StreamOverview {
    const { key, length, entriesAdded, lastEntryId, lastEntryBytes } = state;
    const { device, name } = splitStreamKey(key, this.#parts.devicePrefixing);
    return {
      key: rights.nameOf(key),
      device: device ?? null,
      sid: name,
      length,
      entriesAdded,
      lastEntryId,
      lastEntryBytes,
      followers,
    };
  }
}

function byLastEntry(one: SurveyedStream, other: SurveyedStream): number {
  const [a, b] = [one.lastEntryId || '0-0', other.lastEntryId || '0-0'];
  return compareEntryIds(b, a) || (one.key < other.key ? -1 : 1);
}

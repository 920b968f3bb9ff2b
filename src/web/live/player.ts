/** Plays one stream to one viewer: live, paused, step by step, or at a time gone by. */
import type { Entry } from '../../client/entry.js';
import type { Gap } from '../../client/gap.js';
import type { Streamgate } from '../../client/streamgate.js';
import type { Entries, StreamName } from './entries.js';
import { type PageSession, reasonOf } from './page-session.js';
import type { Viewer } from './viewers/viewer.js';

export interface PlayerListener {
  /** This one is shown now. */
  onEntry(entry: Entry): void;
  onMode(isLive: boolean): void;
  onGap(gap: Gap): void;
  /** What could not be done, in a sentence. */
  onProblem(reason: string): void;
}

/** A message of small entries: what a browser takes in without being felt. */
const ENTRIES_A_MESSAGE = 500;
/** How many entries from a moment on are shown to who goes there, and from about it where the viewer has a span. */
const ENTRIES_ABOUT = 50;
const ENTRIES_IN_SPAN = 4000;
const RETRY_MS = 1000;

export class Player {
  readonly #session: PageSession;
  readonly #stream: StreamName;
  readonly #entries: Entries;
  readonly #viewer: Viewer & { readonly span?: number };
  readonly #listener: PlayerListener;
  /** Of what is under way: a stream that is followed, or an entry that is fetched. */
  #work = new AbortController();
  #isLive = false;
  #isStepping = false;
  #current: Entry | undefined;

  constructor(
    session: PageSession,
    stream: StreamName,
    entries: Entries,
    viewer: Viewer,
    listener: PlayerListener,
  ) {
    this.#session = session;
    this.#stream = stream;
    this.#entries = entries;
    this.#viewer = viewer;
    this.#listener = listener;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** The entry that is shown. */
  get current(): Entry | undefined {
    return this.#current;
  }

  /** From what is there now on, every entry as it comes. */
  play(): void {
    const { signal } = this.#begin();
    this.#setLive(true);
    void this.#follow(signal);
  }

  pause(): void {
    this.#begin();
    this.#setLive(false);
  }

  toggle(): void {
    if (this.#isLive) this.pause();
    else this.play();
  }

  /** To the entry before the one that is shown, or after it. */
  async step(by: -1 | 1): Promise<void> {
    if (this.#isLive) this.pause();
    const from = this.#current;
    // Whoever keeps the key pressed goes as fast as the gateway answers.
    if (from === undefined || this.#isStepping) return;
    this.#isStepping = true;
    const { signal } = this.#work;
    try {
      const entry = await (by < 0 ? this.#entries.before(from.id) : this.#after(from.id));
      if (signal.aborted) return;
      if (entry !== undefined) await this.#show(entry, []);
      else this.#listener.onProblem(by < 0 ? 'This is the oldest entry.' : 'This is the newest entry.');
    } catch (error) {
      if (!signal.aborted) this.#listener.onProblem(reasonOf(error));
    } finally {
      this.#isStepping = false;
    }
  }

  /** To the newest entry at a moment. @param time milliseconds since 1970 */
  async goTo(time: number): Promise<void> {
    this.pause();
    const { signal } = this.#work;
    try {
      const entry = await this.#entries.at(time);
      if (signal.aborted) return;
      if (entry === undefined) {
        this.#listener.onProblem('The stream holds nothing that is as old.');
        return;
      }
      const about = await this.#about(entry, time);
      if (signal.aborted) return;
      this.#viewer.clear();
      await this.#show(entry, about);
    } catch (error) {
      if (!signal.aborted) this.#listener.onProblem(reasonOf(error));
    }
  }

  stop(): void {
    this.#work.abort();
  }

  async #after(id: string): Promise<Entry | undefined> {
    return (await this.#entries.after(id))[0];
  }

  async #about(entry: Entry, time: number): Promise<readonly Entry[]> {
    const { wants, span } = this.#viewer;
    if (wants === 'newest') return [];
    if (span === undefined) return this.#entries.after(entry.id, ENTRIES_ABOUT);
    const found = await this.#entries.after(String(Math.max(0, time - span / 2)), ENTRIES_IN_SPAN);
    return found.filter((one) => one.time <= time + span / 2);
  }

  async #show(entry: Entry, about: readonly Entry[]): Promise<void> {
    this.#current = entry;
    await this.#viewer.still(entry, about);
    this.#listener.onEntry(entry);
  }

  #begin(): AbortController {
    this.#work.abort();
    this.#work = new AbortController();
    return this.#work;
  }

  #setLive(isLive: boolean): void {
    this.#isLive = isLive;
    this.#listener.onMode(isLive);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#session.run(this.#stream.device, (gate) => this.#read(gate, signal));
        return;
      } catch (error) {
        if (signal.aborted) return;
        // The connection itself is made again by the client; what precedes it is not.
        if ((error as { mayPass?: boolean }).mayPass !== true) {
          this.pause();
          this.#listener.onProblem(reasonOf(error));
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async #read(gate: Streamgate, signal: AbortSignal): Promise<void> {
    const { wants } = this.#viewer;
    const isNewest = wants === 'newest';
    const lastEntryId = isNewest ? '0' : await this.#entries.startOf(wants.entries, wants.since);
    if (signal.aborted) return;
    this.#viewer.clear();
    const pulled = gate.pull(this.#stream.sid, {
      lastEntryId,
      latest: isNewest,
      ack: true,
      signal,
      ...(isNewest ? {} : { count: ENTRIES_A_MESSAGE, onGap: (gap: Gap) => this.#listener.onGap(gap) }),
    });
    for await (const entry of pulled) {
      await this.#viewer.live(entry, signal);
      if (signal.aborted) return;
      this.#current = entry;
      this.#listener.onEntry(entry);
    }
  }
}

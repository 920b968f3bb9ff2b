/** One stream, opened: the viewer that suits it, its controls, and what is known of it. */
import type { Entry } from '../../client/entry.js';
import type { Gap } from '../../client/gap.js';
import { detectMediaType } from '../../protocol/media-type.js';
import type { StreamOverview } from '../../protocol/overview.js';
import { Arrivals } from './arrivals.js';
import type { ServerClock } from './clock.js';
import { make, setText } from './elements.js';
import { Entries, type StreamName } from './entries.js';
import { formatAge, formatByteRate, formatBytes, formatRate, formatTime } from './format.js';
import { FrameJob } from './frames.js';
import { LossNotice } from './loss-notice.js';
import { MetadataEditor } from './metadata-editor.js';
import { type PageSession, reasonOf } from './page-session.js';
import { Player } from './player.js';
import type { StreamRate } from './rates.js';
import { SkippedFrames } from './skipped-frames.js';
import { StaleNotice } from './stale-notice.js';
import { Transport } from './transport.js';
import { ViewerChoice } from './viewer-choice.js';
import { createViewer } from './viewers/create.js';
import { ImageViewer } from './viewers/image.js';
import { suitedViewer } from './viewers/suited.js';
import type { Viewer, ViewerKind } from './viewers/viewer.js';

/** As often in a row another viewer must suit better before it takes over: streams may hold of all kinds. */
const PATIENCE = 3;
const PROBLEM_MS = 4000;
/** So often it is looked whether entries still come. */
const STALE_CHECK_MS = 500;
/** What is said of the keys of other programs that have no device's part. */
const UNNAMED = 'The key names no device, so that only GraphQL reads this stream.';

export class StreamView {
  readonly element: HTMLElement;
  readonly #session: PageSession;
  readonly #stream: StreamName;
  readonly #clock: ServerClock;
  readonly #entries: Entries;
  readonly #closing = new AbortController();
  readonly #stage = make('div', { class: 'stage' });
  readonly #waiting = make('p', { class: 'viewer-note', text: 'Waiting for the first entry …' });
  readonly #facts = make('p', { class: 'facts' });
  readonly #entryFacts = make('p', { class: 'facts entry-facts' });
  readonly #problem = make('p', { class: 'problem', attributes: { role: 'status' } });
  readonly #losses = new LossNotice();
  readonly #choice: ViewerChoice;
  readonly #transport: Transport;
  readonly #job = new FrameJob(() => this.#showEntry());
  readonly #skipped = new SkippedFrames();
  readonly #arrivals = new Arrivals();
  readonly #stale = new StaleNotice(this.#stage);
  readonly #staleTimer = setInterval(() => this.#checkStale(), STALE_CHECK_MS);
  #viewer: Viewer | undefined;
  #player: Player | undefined;
  #unsuited = 0;
  #problemTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: PageSession, stream: StreamName, clock: ServerClock) {
    this.#session = session;
    this.#stream = stream;
    this.#clock = clock;
    this.#entries = new Entries(session, stream);
    this.#choice = new ViewerChoice((kind) => this.#choose(kind));
    this.#transport = new Transport({
      toggle: () => this.toggle(),
      step: (by) => this.step(by),
      goTo: (time) => void this.#player?.goTo(time),
      address: () => this.#player?.current && this.#entries.urlOf(this.#player.current.id),
    });
    const title = make(
      'h1',
      {},
      ...(stream.device === null ? [] : [make('span', { class: 'of-device', text: stream.device })]),
      make('span', { text: stream.sid }),
    );
    this.#stage.append(this.#waiting);
    this.element = make(
      'article',
      { class: 'stream', attributes: { 'aria-label': stream.key } },
      make(
        'header',
        { class: 'stream-head' },
        make('a', {
          class: 'button quiet back',
          text: '←',
          attributes: { href: '#/', 'aria-label': 'All streams', title: 'All streams (Esc)' },
        }),
        title,
        this.#choice.element,
      ),
      this.#losses.element,
      this.#stale.element,
      this.#stage,
      this.#transport.element,
      make('div', { class: 'about' }, this.#entryFacts, this.#facts, this.#problem),
      new MetadataEditor(session, stream).element,
    );
    // Only GraphQL takes whole keys.
    if (stream.device === null && !stream.key.startsWith(':')) setText(this.#waiting, UNNAMED);
    else void this.#begin();
  }

  toggle(): void {
    this.#player?.toggle();
  }

  step(by: -1 | 1): void {
    void this.#player?.step(by);
  }

  /** What the list knows of the stream; undefined: nothing any more. */
  update(stream: StreamOverview | undefined, rate: StreamRate | undefined): void {
    if (stream !== undefined && this.#viewer instanceof ImageViewer) {
      this.#skipped.update(stream.entriesAdded, this.#viewer.painted, this.#player?.isLive ?? false);
    }
    this.#tick(stream, rate);
    this.#reconsider();
  }

  close(): void {
    this.#closing.abort();
    clearInterval(this.#staleTimer);
    this.#job.cancel();
    clearTimeout(this.#problemTimer);
    this.#player?.stop();
    this.#viewer?.destroy();
  }

  /** Looks at the newest entry, waiting for one where there is none, and picks a viewer for it. */
  async #begin(): Promise<void> {
    const { signal } = this.#closing;
    const { device, sid } = this.#stream;
    try {
      await this.#session.run(device, async (gate) => {
        for await (const { data } of gate.pull(sid, { lastEntryId: '0', latest: true, ack: true, signal })) {
          if (!signal.aborted && this.#viewer === undefined) this.#show(suitedViewer(data));
          return;
        }
      });
    } catch (error) {
      if (signal.aborted) return;
      setText(this.#waiting, reasonOf(error));
    }
  }

  #choose(kind: ViewerKind | 'auto'): void {
    if (kind !== 'auto') this.#show(kind);
    else if (this.#player?.current) this.#show(suitedViewer(this.#player.current.data));
  }

  #show(kind: ViewerKind): void {
    this.#unsuited = 0;
    this.#choice.show(kind);
    if (this.#viewer?.kind === kind) return;
    this.#player?.stop();
    this.#viewer?.destroy();
    this.#skipped.restart();
    const viewer = createViewer(kind, this.#stream.key, {
      now: () => this.#clock.now(),
      pause: () => this.#player?.pause(),
      restart: () => this.#player?.play(),
    });
    this.#viewer = viewer;
    this.#stage.replaceChildren(viewer.element);
    this.#player = new Player(this.#session, this.#stream, this.#entries, viewer, {
      onEntry: (entry) => {
        if (this.#player?.isLive) this.#arrivals.add(entry.time, performance.now());
        this.#job.ask();
      },
      onMode: (isLive) => {
        this.#arrivals.clear();
        this.#stale.hide();
        this.#transport.show(isLive);
        if (!isLive) this.#job.ask();
        this.element.classList.toggle('live', isLive);
        this.#skipped.restart();
      },
      onGap: (gap: Gap) => this.#losses.show(gap),
      onProblem: (reason) => this.#say(reason),
    });
    this.#player.play();
  }

  /** While it picks the viewer itself it picks another where what comes has changed. */
  #reconsider(): void {
    const current = this.#player?.current;
    if (!this.#choice.isAuto || current === undefined || !this.#player!.isLive) return;
    const kind = suitedViewer(current.data);
    this.#unsuited = kind === this.#viewer?.kind ? 0 : this.#unsuited + 1;
    if (this.#unsuited >= PATIENCE) this.#show(kind);
  }

  #showEntry(): void {
    const entry: Entry | undefined = this.#player?.current;
    if (entry === undefined) return;
    const type = detectMediaType(entry.data).replace(/;.*/, '');
    const facts = [formatTime(entry.time), entry.id, formatBytes(entry.data.length), type];
    setText(this.#entryFacts, facts.join('  ·  '));
    if (!this.#player!.isLive) this.#offer(entry);
    this.#clearProblem();
  }

  #offer({ id, time }: Entry): void {
    this.#transport.offer(time, this.#entries.urlOf(id));
  }

  #tick(stream: StreamOverview | undefined, rate: StreamRate | undefined): void {
    const facts = [...(this.#viewer?.facts() ?? [])];
    if (this.#viewer instanceof ImageViewer && this.#skipped.count !== undefined) {
      facts.push(`${this.#skipped.count.toLocaleString('en')} skipped`);
    }
    if (rate !== undefined) {
      facts.push(`${formatRate(rate.entries)} written`, formatByteRate(rate.bytes));
    }
    if (stream !== undefined) facts.push(`${stream.length.toLocaleString('en')} kept`);
    const current = this.#player?.current;
    if (current !== undefined) {
      facts.push(`${formatAge(this.#clock.now() - current.time)} old`);
      // Not with each frame: nobody could read it.
      if (this.#player!.isLive) this.#offer(current);
    }
    const told = facts.filter((fact) => !fact.startsWith('–') && fact !== 'now old');
    setText(this.#facts, told.join('  ·  '));
  }

  /** Only of what is followed: what is paused stands still anyway. */
  #checkStale(): void {
    const current = this.#player?.current;
    if (current === undefined || !this.#player!.isLive) this.#stale.hide();
    else this.#stale.update(this.#arrivals, this.#clock.now() - current.time);
  }

  #say(reason: string): void {
    setText(this.#problem, reason);
    clearTimeout(this.#problemTimer);
    this.#problemTimer = setTimeout(() => this.#clearProblem(), PROBLEM_MS);
  }

  #clearProblem(): void {
    setText(this.#problem, '');
  }
}

/** Devices and their streams, each second as they are: only what differs is touched. */

import type { DeviceOverview, Overview, StreamOverview } from '../../protocol/overview.js';
import type { ServerClock } from './clock.js';
import { make, setText } from './elements.js';
import { countOf } from './format.js';
import type { Rates } from './rates.js';
import { StreamRow } from './stream-row.js';

/** What stands over streams whose keys name no device. */
const NO_DEVICE = 'Without a device';

export interface DeviceActions {
  setConnected(device: string, connected: boolean): void;
}

interface Group {
  readonly element: HTMLElement;
  readonly rows: HTMLElement;
  readonly count: HTMLElement;
  readonly state: HTMLElement;
  readonly toggle: HTMLButtonElement;
  connected: boolean;
}

export class StreamList {
  readonly element: HTMLElement;
  readonly #rates: Rates;
  readonly #clock: ServerClock;
  readonly #actions: DeviceActions;
  readonly #rows = new Map<string, StreamRow>();
  /** By device id; '' for those without. */
  readonly #groups = new Map<string, Group>();
  #filter = '';
  #opened: string | undefined;

  constructor(element: HTMLElement, rates: Rates, clock: ServerClock, actions: DeviceActions) {
    this.element = element;
    this.#rates = rates;
    this.#clock = clock;
    this.#actions = actions;
  }

  /** Shows streams and devices whose names hold the text. @returns how many streams there are to see */
  filter(text: string): number {
    this.#filter = text.trim().toLowerCase();
    return this.#applyFilter();
  }

  /** Marks the stream that is looked at. */
  open(key: string | undefined): void {
    this.#row(this.#opened)?.mark(false);
    this.#opened = key;
    this.#row(key)?.mark(true);
  }

  /** To where somebody comes back to from a stream. */
  focus(key: string): void {
    this.#row(key)?.element.focus();
  }

  /** @returns how many streams there are to see */
  update({ devices, streams }: Overview): number {
    const known = new Map(devices.map((device) => [device.id, device]));
    const byDevice = new Map<string, StreamOverview[]>(devices.map(({ id }) => [id, []]));
    for (const stream of streams) {
      const device = stream.device ?? '';
      const those = byDevice.get(device);
      if (those === undefined) byDevice.set(device, [stream]);
      else those.push(stream);
    }
    this.#forget(new Set(byDevice.keys()), new Set(streams.map(({ key }) => key)));
    // Those without a device come last.
    const order = [...byDevice.keys()].sort((a, b) => Number(a === '') - Number(b === '') || compare(a, b));
    order.forEach((device, index) => {
      const group = this.#groups.get(device) ?? this.#addGroup(device);
      placeAt(this.element, group.element, index);
      this.#updateGroup(group, known.get(device), byDevice.get(device)!);
    });
    return this.#applyFilter();
  }

  /** Ages grow between overviews, too. */
  tick(): void {
    const now = this.#clock.now();
    for (const row of this.#rows.values()) row.tick(now);
  }

  /** The row after or before the one that has the focus; the first or last where none has. */
  neighbour(step: 1 | -1): HTMLElement | undefined {
    const shown = [...this.#rows.values()].map(({ element }) => element).filter(({ hidden }) => !hidden);
    shown.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    const at = shown.indexOf(document.activeElement as HTMLAnchorElement);
    if (at < 0) return step > 0 ? (this.#row(this.#opened)?.element ?? shown[0]) : shown.at(-1);
    return shown[at + step];
  }

  #row(key: string | undefined): StreamRow | undefined {
    return key === undefined ? undefined : this.#rows.get(key);
  }

  #forget(devices: ReadonlySet<string>, keys: ReadonlySet<string>): void {
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    for (const [device, { element }] of this.#groups) {
      if (devices.has(device)) continue;
      element.remove();
      this.#groups.delete(device);
    }
  }

  #updateGroup(group: Group, device: DeviceOverview | undefined, streams: StreamOverview[]): void {
    const connected = device?.connected ?? false;
    if (connected !== group.connected) {
      group.connected = connected;
      group.element.dataset.connected = String(connected);
      setText(group.toggle, connected ? 'Disconnect' : 'Connect');
      group.toggle.setAttribute('aria-label', `${group.toggle.textContent} ${group.element.dataset.device}`);
      setText(group.state, connected ? 'connected' : 'not connected');
    }
    setText(group.count, countOf(streams.length, 'stream'));
    streams.sort((a, b) => compare(a.sid, b.sid));
    const now = this.#clock.now();
    streams.forEach((stream, index) => {
      let row = this.#rows.get(stream.key);
      if (row === undefined) {
        row = new StreamRow(stream);
        row.mark(stream.key === this.#opened);
        this.#rows.set(stream.key, row);
      }
      placeAt(group.rows, row.element, index);
      row.update(stream, this.#rates.of(stream.key), now);
    });
  }

  #addGroup(device: string): Group {
    const state = make('span', { class: 'device-state', text: 'not connected' });
    const count = make('span', { class: 'device-count' });
    const rows = make('div', { class: 'rows' });
    const toggle = make('button', {
      class: 'quiet',
      text: 'Connect',
      attributes: { type: 'button' },
      on: { click: () => this.#actions.setConnected(device, !group.connected) },
    });
    const name = make('h2', { text: device === '' ? NO_DEVICE : device });
    const head = make('header', { class: 'device-head' }, name, state, count);
    if (device !== '') {
      toggle.setAttribute('aria-label', `Connect ${device}`);
      head.append(toggle);
    } else state.hidden = true;
    const element = make('section', { class: 'device' }, head, rows);
    element.dataset.connected = 'false';
    element.dataset.device = device;
    const group: Group = { element, rows, count, state, toggle, connected: false };
    this.#groups.set(device, group);
    return group;
  }

  #applyFilter(): number {
    let shown = 0;
    const alive = new Set<string>();
    for (const row of this.#rows.values()) {
      const fits = this.#filter === '' || row.key.toLowerCase().includes(this.#filter);
      row.element.hidden = !fits;
      if (!fits) continue;
      shown++;
      alive.add(row.device);
    }
    for (const [device, { element }] of this.#groups) {
      element.hidden = !(alive.has(device) || (device !== '' && device.toLowerCase().includes(this.#filter)));
    }
    return shown;
  }
}

const COLLATOR = new Intl.Collator('en', { numeric: true });
const compare = (a: string, b: string) => COLLATOR.compare(a, b);

/** Moves an element among its siblings where it does not stand there already. */
function placeAt(parent: HTMLElement, element: HTMLElement, index: number): void {
  const there = parent.children[index];
  if (there !== element) parent.insertBefore(element, there ?? null);
}

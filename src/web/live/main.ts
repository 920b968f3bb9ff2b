/** The live page at `/`: what flows through the gateway, and what is in it. */
import './styles/page.css';
import './styles/list.css';
import './styles/stream.css';
import type { Overview } from '../../protocol/overview.js';
import { ServerClock } from './clock.js';
import { showConnection } from './connection-banner.js';
import { DeviceForm } from './device-form.js';
import { find, setText } from './elements.js';
import type { StreamName } from './entries.js';
import { countOf } from './format.js';
import { listenToKeys } from './keyboard.js';
import { OverviewFeed } from './overview-feed.js';
import { PageSession } from './page-session.js';
import { Rates } from './rates.js';
import { keyIn } from './route.js';
import { StreamList } from './stream-list.js';
import { StreamView } from './stream-view.js';
import { promptToken } from './token-prompt.js';
import { showWelcome } from './welcome.js';

/** Ages are told by the second. */
const TICK_MS = 1000;
/** The gateway is asked anew once nobody has typed for so long. */
const TYPING_MS = 300;

const session = new PageSession(promptToken);
const clock = new ServerClock();
const rates = new Rates();
const devices = new DeviceForm(session);
const list = new StreamList(find('list', HTMLElement), rates, clock, {
  setConnected: (device, connected) => void devices.setConnected(device, connected),
});
const filter = find('filter', HTMLInputElement);
const place = find('stream', HTMLElement);
const summary = find('summary', HTMLElement);

let overview: Overview | undefined;
let opened: { readonly key: string; readonly view: StreamView } | undefined;
let typing: ReturnType<typeof setTimeout> | undefined;

const feed = new OverviewFeed(session, {
  onState: showConnection,
  onOverview: (latest) => {
    overview = latest;
    document.body.classList.add('has-overview');
    clock.read(latest.at);
    rates.update(latest);
    showCount(list.update(latest));
    showWelcome(latest.streams.length === 0 && feed.filter === '' && filter.value === '');
    if (opened === undefined) openStream();
    else updateStream();
  },
});

function showCount(shown: number): void {
  const { streams, omitted } = overview!;
  const total = countOf(streams.length + omitted, 'stream');
  const more = omitted > 0 ? '; the list holds those written to last, filter for others' : '';
  setText(summary, filter.value === '' ? `${total}${more}` : `${shown} of ${total}${more}`);
}

function updateStream(): void {
  const stream = overview?.streams.find(({ key }) => key === opened?.key);
  opened?.view.update(stream, stream && rates.of(stream.key));
}

/** What a key names: as the overview tells, or, for one that is not in it, by its form. */
function nameOf(key: string): StreamName {
  const known = overview?.streams.find((stream) => stream.key === key);
  if (known !== undefined) return known;
  const end = key.indexOf(':');
  return end > 0
    ? { key, device: key.slice(0, end), sid: key.slice(end + 1) }
    : { key, device: null, sid: key };
}

/** Opens the stream that the address names, or the list where it names none. */
function openStream(): void {
  const key = keyIn(location.hash);
  if (key === opened?.key) return;
  const left = opened?.key;
  opened?.view.close();
  opened = undefined;
  list.open(key);
  document.body.classList.toggle('has-stream', key !== undefined);
  document.title = key === undefined ? 'streamgate' : `${key} · streamgate`;
  place.hidden = key === undefined;
  place.replaceChildren();
  // Where the focus went with what was closed it comes back to the list.
  const isFree = document.activeElement === document.body;
  if (key === undefined && left !== undefined && isFree) list.focus(left);
  // How a key is to be read the overview says, which comes within a moment.
  if (key === undefined || overview === undefined) return;
  opened = { key, view: new StreamView(session, nameOf(key), clock) };
  place.append(opened.view.element);
  updateStream();
}

filter.addEventListener('input', () => {
  if (overview !== undefined) showCount(list.filter(filter.value));
  clearTimeout(typing);
  typing = setTimeout(() => {
    // What is not in the list may be found all the same.
    if ((overview?.omitted ?? 0) > 0 || feed.filter !== '') feed.filter = filter.value.trim();
  }, TYPING_MS);
});

listenToKeys({
  filter: () => filter.select(),
  move: (by) => list.neighbour(by)?.focus(),
  escape: () => {
    if (document.activeElement === filter && filter.value !== '') {
      filter.value = '';
      filter.dispatchEvent(new Event('input'));
    } else if (document.activeElement === filter) filter.blur();
    else if (opened !== undefined) location.hash = '#/';
  },
  toggle: () => {
    opened?.view.toggle();
    return opened !== undefined;
  },
  step: (by) => {
    opened?.view.step(by);
    return opened !== undefined;
  },
});

window.addEventListener('hashchange', openStream);
setInterval(() => list.tick(), TICK_MS);
openStream();
void feed.run();

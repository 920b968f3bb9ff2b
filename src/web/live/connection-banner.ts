/** Whether the page is connected, and what is in the way where it is not. */
import { find, setText } from './elements.js';
import type { FeedState } from './overview-feed.js';

export function showConnection(state: FeedState): void {
  const banner = find('banner', HTMLElement);
  const isAway = state.is === 'away';
  banner.hidden = !isAway;
  setText(find('banner-text', HTMLElement), isAway ? state.reason : '');
  const masters = state.is === 'live' ? state.away : [];
  const partAway = find('part-away', HTMLElement);
  partAway.hidden = masters.length === 0;
  setText(partAway, masters.length === 0 ? '' : aboutPart(masters));
  document.body.dataset.connection = state.is;
  setText(
    find('connection', HTMLElement),
    { connecting: 'Connecting', live: 'Live', away: 'Away' }[state.is],
  );
}

const aboutPart = (masters: readonly string[]) =>
  `Redis Cluster: ${masters.join(', ')} ${masters.length === 1 ? 'is' : 'are'} away. Streams there are shown as they were.`;

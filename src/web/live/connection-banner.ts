/** Whether the page is connected, and what is in the way where it is not. */
import { find, setText } from './elements.js';
import type { FeedState } from './overview-feed.js';

export function showConnection(state: FeedState): void {
  const banner = find('banner', HTMLElement);
  const isAway = state.is === 'away';
  banner.hidden = !isAway;
  setText(find('banner-text', HTMLElement), isAway ? state.reason : '');
  document.body.dataset.connection = state.is;
  setText(
    find('connection', HTMLElement),
    { connecting: 'Connecting', live: 'Live', away: 'Away' }[state.is],
  );
}

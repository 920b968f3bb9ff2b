/** One guide. */
import { addressesOf, type Guide } from './guides.js';
import { markdown } from './markdown.js';

export function guideView(guide: Guide): HTMLElement {
  return markdown(guide.text, addressesOf(guide));
}

/** What goes with every payload that a browser may show by its address. */
import type { GatewayContext } from '../../context.js';
import type { Header } from '../../http/answer-head.js';

/** Whatever a producer has stored, opened as a page it runs no script and belongs to no origin, least of all to ours. */
const SANDBOX: Header = ['content-security-policy', 'sandbox'];

/**
 * A page may show a picture without being allowed to read it, and its browser says then not whose page it is. So
 * the browser is told whose it may be: of the gateway's own site, unless all may read everything.
 */
export function viewHeaders({ origins }: Pick<GatewayContext, 'origins'>): readonly Header[] {
  return [SANDBOX, ['cross-origin-resource-policy', origins.isOpen ? 'cross-origin' : 'same-site']];
}

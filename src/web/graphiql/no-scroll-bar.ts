/**
 * Stands for the package react-remove-scroll-bar, which hides the page's scroll bar under a dialog: this
 * page has none, and the style element that it writes would need `style-src 'unsafe-inline'`.
 */
export const RemoveScrollBar = () => null;

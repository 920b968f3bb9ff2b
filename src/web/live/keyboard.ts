/** What keys do. */

export interface KeyActions {
  filter(): void;
  move(by: 1 | -1): void;
  escape(): void;
  /** @returns whether there was a stream to pause or play */
  toggle(): boolean;
  /** @returns whether there was a stream to step in */
  step(by: 1 | -1): boolean;
}

/** Where keys write, or have a meaning of their own. */
const WRITABLE = 'input, textarea, select, [contenteditable]';
const PRESSABLE = 'button, summary, a, label';

export function listenToKeys(actions: KeyActions): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (document.querySelector('dialog[open]') !== null) return;
    if (event.key === 'Escape') {
      actions.escape();
      return;
    }
    const isFilter = target.id === 'filter';
    if (target.matches(WRITABLE) && !(isFilter && event.key === 'ArrowDown')) return;
    if (act(event.key, target, actions)) event.preventDefault();
  });
}

/** @returns whether the key had a meaning */
function act(key: string, target: HTMLElement, actions: KeyActions): boolean {
  switch (key) {
    case '/':
      actions.filter();
      return true;
    case 'ArrowDown':
    case 'ArrowUp':
      if (target.matches('.tail, .hex-dump')) return false;
      actions.move(key === 'ArrowDown' ? 1 : -1);
      return true;
    case ' ':
      return !target.matches(PRESSABLE) && actions.toggle();
    case '[':
    case 'ArrowLeft':
      return actions.step(-1);
    case ']':
    case 'ArrowRight':
      return actions.step(1);
    default:
      return false;
  }
}

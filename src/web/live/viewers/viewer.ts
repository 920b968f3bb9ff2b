/** What every way of looking at a stream does. */
import type { Entry } from '../../../client/entry.js';

export const VIEWER_KINDS = ['image', 'plot', 'text', 'hex'] as const;
export type ViewerKind = (typeof VIEWER_KINDS)[number];

export interface Viewer {
  readonly kind: ViewerKind;
  readonly element: HTMLElement;
  /**
   * Which entries it wants while the stream is followed: the newest only, or every one, beginning with some
   * that are there already.
   */
  readonly wants: 'newest' | { readonly entries: number; readonly since?: number };
  /** Shows one that has just come; the next is asked for once that is done. */
  live(entry: Entry, signal: AbortSignal): void | Promise<void>;
  /** Shows one that somebody went to, and for who wants more those about it. */
  still(entry: Entry, about: readonly Entry[]): void | Promise<void>;
  /** Forgets what it has shown: entries come from another time. */
  clear(): void;
  /** What there is to say about what is shown, such as the size of an image. */
  facts(): readonly string[];
  destroy(): void;
}

/** What a viewer may ask of the page around it. */
export interface Stage {
  /** The gateway's clock. */
  now(): number;
  /** Nothing is to move any more: somebody looks closer. */
  pause(): void;
  /** How much is to be seen has changed: what is followed is read anew. */
  restart(): void;
}

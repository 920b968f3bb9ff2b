/**
 * What a node of a cluster answers where it does not have a key's slot.
 * Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding
 */

export interface Redirect {
  /** `ask`: the slot is being moved, and this key may be there already; only for the next command. */
  readonly kind: 'moved' | 'ask';
  readonly slot: number;
  /** As the node says it; undefined where that is the host that was asked. */
  readonly host: string | undefined;
  readonly port: number;
}

const REDIRECT = /^(MOVED|ASK) (\d+) (.*):(\d+)$/;
/** Refusals that pass while a cluster changes: a part of the keys was moved, or nobody serves the slot now. */
const PASSING = /^(TRYAGAIN|CLUSTERDOWN)\b/;

/** @param error an error reply @returns undefined where it is no redirect */
export function readRedirect(error: string): Redirect | undefined {
  const [, word, slot, host, port] = REDIRECT.exec(error) ?? [];
  if (word === undefined) return undefined;
  return {
    kind: word === 'MOVED' ? 'moved' : 'ask',
    slot: Number(slot),
    host: host === '' ? undefined : host!.replace(/^\[|\]$/g, ''),
    port: Number(port),
  };
}

/** Whether the same may be asked again soon. */
export const isPassing = (error: string): boolean => PASSING.test(error);

/** The server does not serve the key: it leads elsewhere, or nobody serves it now. */
export type NotServed = Redirect | 'passing';

/** @param error an error reply @returns undefined where it is an answer about the key */
export const readNotServed = (error: string): NotServed | undefined =>
  readRedirect(error) ?? (isPassing(error) ? 'passing' : undefined);

/** Where streams end now: what `$` stands for, and from where a stream's first follower must read. */
import { compareEntryIds } from '../../protocol/entry-id.js';
import { NEWEST } from '../../protocol/parameters.js';
import { type Control, controlFailure } from '../../redis/control.js';
import type { Hub } from './hub.js';
import type { StreamEnd } from './noted-ends.js';
import { TailQuestions } from './tail-questions.js';

/**
 * The last generated id of each stream, `0-0` for one that does not exist, in one round trip. A stream that
 * ends before what was read of it is not the one that the hub holds entries of, so the hub sees to it first.
 * @throws Failure `wrong_type` where a key is no stream; `redis_…` where Redis does not answer
 */
export async function readTails(control: Control, hub: Hub, keys: readonly string[]): Promise<string[]> {
  const read = keys.map((key) => hub.lastId(key));
  const ends = await askEnds(control, keys);
  keys.forEach((key, index) => {
    hub.noteEnd(key, ends[index]!);
  });
  const tails = ends.map(({ id }) => id);
  const isLost = (_key: string, index: number) =>
    read[index] !== undefined && compareEntryIds(tails[index]!, read[index]) < 0;
  await Promise.all(keys.filter(isLost).map((key) => hub.check(key)));
  return tails;
}

async function askEnds(control: Control, keys: readonly string[]): Promise<StreamEnd[]> {
  try {
    return await TailQuestions.of(control).ask(keys);
  } catch (error) {
    throw controlFailure(error);
  }
}

/** Each cursor as a concrete id: `$` becomes the stream's tail. */
export function resolveCursors(cursors: readonly string[], tails: readonly string[]): string[] {
  return cursors.map((cursor, index) => (cursor === NEWEST ? tails[index]! : cursor));
}

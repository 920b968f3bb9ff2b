/**
 * How streams stand, of many at once and again and again: what has not changed since costs Redis next to nothing,
 * and no frame ever leaves it.
 */

import { Failure } from '../protocol/errors.js';
import { type Control, controlFailure } from '../redis/control.js';
import { failureFromRedis } from '../redis/error-replies.js';
import { NO_SCRIPTS } from '../redis/scripts.js';

/** How a stream stood when it was looked at last. */
export interface SurveyedStream {
  readonly key: string;
  /** -1 while it has not been looked at. */
  length: number;
  entriesAdded: number;
  /** '' where it has no entry. */
  lastEntryId: string;
  /** Of the newest entry's payload, or of its values where others wrote it; null where that is not known. */
  lastEntryBytes: number | null;
  /** Redis does not let us read it: it is not asked for again. */
  isForbidden: boolean;
}

export const unknownState = (key: string): SurveyedStream => ({
  key,
  length: -1,
  entriesAdded: 0,
  lastEntryId: '',
  lastEntryBytes: null,
  isForbidden: false,
});

/** Keys in one call of the script, which holds up everybody else for as long as it runs. */
const KEYS_A_CALL = 200;
/** Frames that Redis may copy for one call, which ends early then: about two milliseconds. */
const BYTES_A_CALL = 2 * 1024 * 1024;
/** The same for all calls of one survey. */
const BYTES_A_SURVEY = 64 * 1024 * 1024;

/** Redis runs no scripts for us. */
export class ScriptsRefused extends Error {}

/**
 * Brings states up to date, in their order, up to what is asked of Redis at once.
 * @returns those that were looked at, or could not be since a master of a cluster is away
 * @throws Failure, ScriptsRefused
 */
export async function surveyStreams(
  control: Control,
  states: readonly SurveyedStream[],
): Promise<readonly SurveyedStream[]> {
  const looked: SurveyedStream[] = [];
  let copied = 0;
  for (let from = 0; from < states.length && copied < BYTES_A_SURVEY; ) {
    const asked = states.slice(from, from + KEYS_A_CALL);
    const replies = await (control.takesManyKeys ? ask(control, asked) : askEach(control, asked));
    replies.forEach((reply, index) => {
      if (reply !== 'away') copied += update(asked[index]!, reply);
      looked.push(asked[index]!);
    });
    from += replies.length;
    // Each of the others may be waited for as long.
    if (replies.includes('away')) break;
  }
  return looked;
}

/** Of one stream: nothing new; or, of what is none, -1; or all of it. The words are not Redis' own. */
type Reply =
  | readonly []
  | readonly [none: -1]
  | readonly [length: number, entriesAdded: number, lastEntryId: string, lastEntryBytes: number]
  | 'forbidden'
  | 'away';

/** @returns a reply for each of the first streams, one at least */
async function ask(control: Control, states: readonly SurveyedStream[]): Promise<readonly Reply[]> {
  const known = states.flatMap(({ length, lastEntryId }) => [length, lastEntryId || '0-0']);
  const keys = states.map(({ key }) => key);
  try {
    const replies = await control.of(keys[0]!, (redis) =>
      redis.surveyStreams(keys.length, ...keys, BYTES_A_CALL, ...known),
    );
    return replies as unknown as Reply[];
  } catch (error) {
    const { message = '' } = error as Error;
    if (NO_SCRIPTS.test(message)) throw new ScriptsRefused();
    if (!isForbidden(error)) throw controlFailure(error);
    if (states.length === 1) return ['forbidden'];
    // One of them is not for us: each half by itself tells which.
    const middle = states.length >> 1;
    const first = await ask(control, states.slice(0, middle));
    if (first.length < middle) return first;
    return [...first, ...(await ask(control, states.slice(middle)))];
  }
}

/** By a call for each, where they may be on several servers. @returns a reply for each */
function askEach(control: Control, states: readonly SurveyedStream[]): Promise<readonly Reply[]> {
  return Promise.all(
    states.map(async (state) => {
      try {
        return (await ask(control, [state]))[0]!;
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== 'redis_unavailable') throw error;
        return 'away';
      }
    }),
  );
}

function isForbidden(error: unknown): boolean {
  const { name, message } = error as Error;
  return name === 'ReplyError' && failureFromRedis(message).code === 'redis_denied';
}

/** @returns about how many bytes Redis copied for it */
function update(state: SurveyedStream, reply: Exclude<Reply, 'away'>): number {
  if (reply === 'forbidden') {
    state.isForbidden = true;
    return 0;
  }
  if (reply.length === 0) return 0;
  if (reply.length === 1) {
    Object.assign(state, unknownState(state.key));
    return 0;
  }
  const [length, entriesAdded, lastEntryId, lastEntryBytes] = reply;
  Object.assign(state, { length, entriesAdded, lastEntryId, lastEntryBytes });
  return 2 * lastEntryBytes;
}

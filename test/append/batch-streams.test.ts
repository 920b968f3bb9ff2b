/** Which entries go out together, so that what Redis refuses harms no other. */
import { describe, expect, test } from 'vitest';
import { BatchStreams } from '../../src/append/batch-streams.js';
import { AppendStream } from '../../src/append/command.js';
import { bulkReply } from '../../src/redis/resp.js';
import { NotedFeed } from '../support/noted-feed.js';

interface Kind {
  readonly isFollowed?: boolean;
  readonly isProven?: boolean;
}

let names = 0;

function streamOf({ isFollowed = false, isProven = false }: Kind): AppendStream {
  const stream = new AppendStream(`k${names++}`, 1000);
  if (isFollowed) stream.proof.feed = new NotedFeed('0-0');
  if (isProven) stream.answered(bulkReply('1-0'));
  return stream;
}

function streamsOf(...all: (AppendStream | undefined)[]): BatchStreams {
  const streams = new BatchStreams();
  for (const stream of all) streams.add(stream);
  return streams;
}

const plain = streamOf({});
const proven = streamOf({ isProven: true });
const followed = streamOf({ isFollowed: true });
const both = streamOf({ isFollowed: true, isProven: true });
const other = streamOf({ isFollowed: true, isProven: true });

describe('an entry may be added', () => {
  test.each<[string, (AppendStream | undefined)[], AppendStream, boolean]>([
    ['of a stream without followers to others of the kind', [plain, proven], plain, true],
    ['of one without followers behind other commands', [undefined], plain, true],
    ['of the same stream, though Redis may refuse it', [followed], followed, true],
    ['of one that Redis may refuse to others', [both], followed, false],
    ['of one without followers that Redis may refuse to others', [both], plain, false],
    ['to one that Redis may refuse', [followed], both, false],
    ['to one without followers that Redis may refuse', [plain], both, false],
    ['where Redis has stored entries of all', [both, proven], other, true],
    ['of one without followers, where Redis has stored entries of all', [both, other], proven, true],
    ['of one with followers behind other commands', [undefined], both, false],
    ['of one with followers behind entries and other commands', [proven, undefined], both, false],
  ])('%s', (_, held, stream, may) => {
    expect(streamsOf(...held).mayHold(stream)).toBe(may);
  });

  test('of one with followers to a batch that is no transaction, where it is left out of these', () => {
    const refused = streamOf({ isFollowed: true });
    const streams = streamsOf(undefined);
    expect(streams.mayHold(refused)).toBe(false);
    refused.refused();
    expect(streams.mayHold(refused)).toBe(true);
  });

  test('not of one that Redis has refused since it stored some, until it stores one again', () => {
    const refused = streamOf({ isFollowed: true, isProven: true });
    refused.refused();
    expect([streamsOf(both).mayHold(refused), streamsOf(refused).mayHold(both)]).toEqual([false, false]);
    refused.answered(bulkReply('2-0'));
    expect(streamsOf(both).mayHold(refused)).toBe(true);
  });
});

test('other commands may be added while nobody follows an entry', () => {
  expect([[], [plain], [undefined], [plain, both]].map((held) => streamsOf(...held).mayHoldCommands)).toEqual(
    [true, true, true, false],
  );
});

describe('of the streams with followers', () => {
  test('each is named once, and those without are not', () => {
    const streams = streamsOf(both, both, proven, other, both);
    expect(streams.followed(true)).toEqual({ wanted: [both, other], apart: [] });
    expect([streams.all, streams.of(2)]).toEqual([[both, both, proven, other, both], proven]);
  });

  test('none is given its entries at once where Redis does not tell of changes', () => {
    expect(streamsOf(both, other).followed(false)).toEqual({ wanted: [], apart: [both, other] });
  });

  test('nor in a batch that is no transaction', () => {
    const streams = streamsOf(both);
    streams.keepPlain();
    expect(streams.followed(true)).toEqual({ wanted: [], apart: [both] });
    expect(streamsOf(both, undefined).followed(true)).toEqual({ wanted: [], apart: [both] });
  });

  test('one that is left out of transactions is named apart', () => {
    const refused = streamOf({ isFollowed: true, isProven: true });
    refused.refused();
    expect(streamsOf(refused, both).followed(true)).toEqual({ wanted: [both], apart: [refused] });
  });

  test('there may be none', () => {
    expect(streamsOf(plain, proven, undefined).followed(true)).toEqual({ wanted: [], apart: [] });
    const gone = streamOf({ isFollowed: true });
    const streams = streamsOf(gone);
    gone.proof.feed = undefined;
    expect(streams.followed(true)).toEqual({ wanted: [], apart: [] });
  });
});

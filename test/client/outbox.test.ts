/** What becomes of each entry when a connection is lost, without a connection. */
import { decode } from '@msgpack/msgpack';
import { beforeEach, describe, expect, test } from 'vitest';
import { errorFromClose } from '../../src/client/gateway-error.js';
import { Outbox } from '../../src/client/outbox.js';

const BROKEN = errorFromClose(1006, '');
const GOING_AWAY = errorFromClose(1001, 'the gateway is going down');
const TOO_LARGE = errorFromClose(1009, 'over MAX_PAYLOAD_BYTES');

let outbox: Outbox;
let outcomes: Record<string, string>;

beforeEach(() => {
  outbox = new Outbox();
  outcomes = {};
});

function add(text: string, time: string | null = null, size = text.length): void {
  const data = new Uint8Array(size);
  data.set(new TextEncoder().encode(text));
  outbox.add({
    stream: null,
    time,
    data,
    resolve: (id) => {
      outcomes[text] = id;
    },
    reject: (error) => {
      outcomes[text] = (error as { code: string }).code;
    },
  });
}

/** The texts of the next message. */
function take(): string[] | undefined {
  const message = outbox.take();
  if (message === undefined) return undefined;
  const entries = decode(message) as [null, string | null, Uint8Array][];
  return entries.map(([, , data]) => Buffer.from(data).toString().replaceAll('\0', ''));
}

/** What is said of an entry of so many bytes that a lost connection leaves open. */
function lostMessage(size: number, error = BROKEN): string {
  let message = '';
  outbox.add({
    stream: null,
    time: null,
    data: new Uint8Array(size),
    resolve: () => {},
    reject: (reason) => {
      message = (reason as Error).message;
    },
  });
  outbox.take();
  outbox.lose(error, false);
  return message;
}

test('a large entry on which the connection breaks off may be over the limit, and is said to be', () => {
  const hint = /\(close code 1006\); its 1048577 bytes may be over MAX_PAYLOAD_BYTES$/;
  expect(lostMessage(1_048_577)).toMatch(hint);
  expect(lostMessage(1_048_576)).toMatch(/ it may be stored or not: .+\(close code 1006\)$/);
  expect(lostMessage(2_000_000, errorFromClose(1012, 'restart'))).not.toContain('MAX_PAYLOAD_BYTES');
});

describe('an outbox', () => {
  test('sends what waits as one message, and settles each by its ack', () => {
    add('a');
    add('b');
    expect(take()).toEqual(['a', 'b']);
    expect(take()).toBeUndefined();
    expect(outcomes).toEqual({});
    outbox.answer('["1-0", {"error": "too old", "code": "id_not_increasing"}]');
    expect(outcomes).toEqual({ a: '1-0', b: 'id_not_increasing' });
    expect([outbox.isEmpty, outbox.bytes]).toEqual([true, 0]);
  });

  test('bounds a message by its entries and its bytes, though not a single entry', () => {
    for (let index = 0; index < 1500; index++) add(String(index));
    expect([take()?.length, take()?.length]).toEqual([1024, 476]);
    add('x', null, 1_000_000);
    add('y', null, 200_000);
    add('z', null, 200_000);
    expect([take(), take(), take()]).toEqual([['x'], ['y'], ['z']]);
  });

  test.each(['', 'null', '[]', '["1-0", "2-0"]', '[1]', '[{}]'])(
    'refuses the answer %j to one entry',
    (text) => {
      add('a');
      take();
      expect(() => outbox.answer(text)).toThrow('an ack must be');
    },
  );
});

describe('a lost connection', () => {
  test('leaves what was not sent, and tells what was that its outcome is unknown', () => {
    add('sent');
    take();
    add('waiting');
    outbox.lose(BROKEN, false);
    expect(outcomes).toEqual({ sent: 'unknown_outcome' });
    expect(take()).toEqual(['waiting']);
  });

  test('with resend has all of it sent again, in order', () => {
    add('a');
    take();
    add('b');
    take();
    add('c');
    outbox.lose(BROKEN, true);
    expect(outcomes).toEqual({});
    expect(take()).toEqual(['a', 'b', 'c']);
  });

  test('has entries with ids of their own sent again; that they are there already is a success', () => {
    add('stored', '5-0');
    add('not stored', '6-0');
    add('by the clock', '7');
    take();
    outbox.lose(BROKEN, false);
    expect(outcomes).toEqual({ 'by the clock': 'unknown_outcome' });
    expect(take()).toEqual(['stored', 'not stored']);
    outbox.answer('[{"error": "old", "code": "id_not_increasing"}, "6-0"]');
    expect(outcomes).toMatchObject({ stored: '5-0', 'not stored': '6-0' });
  });

  test('of a gateway that went down in order has all of it sent again, as for the first time', () => {
    add('a', '5-0');
    take();
    outbox.lose(GOING_AWAY, false);
    expect(take()).toEqual(['a']);
    outbox.answer('[{"error": "old", "code": "id_not_increasing"}]');
    expect(outcomes).toEqual({ a: 'id_not_increasing' });
  });

  test('because of an entry that is too large fails that one', () => {
    add('before');
    take();
    add('large', null, 2_000_000);
    take();
    add('after');
    take();
    outbox.lose(TOO_LARGE, false);
    expect(outcomes).toEqual({ before: 'unknown_outcome', large: 'payload_too_large' });
    expect(take()).toEqual(['after']);
  });

  test('for good fails everything', () => {
    add('sent');
    take();
    add('waiting');
    outbox.abandon(GOING_AWAY);
    expect(outcomes).toEqual({ sent: 'unknown_outcome', waiting: 'closed' });
    expect([outbox.isEmpty, outbox.bytes]).toEqual([true, 0]);
  });
});

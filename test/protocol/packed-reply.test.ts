/** Batches that cross to another thread together. */
import { expect, test } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { batchOfReply, packReply } from '../../src/protocol/packed-reply.js';
import { packBatches } from '../../src/redis/stream-reads.js';

const KIB = 1024;

function read(key: string, ...payloads: string[]) {
  return {
    key,
    after: '1-0',
    trimmed: false,
    ids: payloads.map((_, index) => `2-${index}`),
    payloads: payloads.map((payload) => Buffer.from(payload)),
    bytes: payloads.join('').length,
  };
}

test('batches, small and large, come out as they went in', () => {
  const many = Array.from({ length: 40 }, (_, index) => `entry ${index}`);
  const reads = [
    read('a', 'one'),
    read('b', 'x'.repeat(20 * KIB)),
    read('c', 'two', ''),
    read('d', 'y'.repeat(30 * KIB), 'z'),
    read('e', ...many),
  ];
  const { batches, buffers } = packBatches(reads);
  const sent = packReply(batches, [5, 6, 7, 8, 9], buffers);
  const reply = structuredClone(sent, { transfer: buffers });
  expect(reply.generations).toEqual([5, 6, 7, 8, 9]);
  reads.forEach(({ key, after, ids, payloads }, index) => {
    const batch = new EntryBatch({ key, after, ...batchOfReply(reply, index) });
    expect(batch.ids).toEqual(ids);
    expect(batch.ids.map((_, entry) => Buffer.from(batch.payload(entry)))).toEqual(payloads);
    expect(batch.trimmed).toBe(false);
    expect(Buffer.from(batch.run(0, batch.length))).toEqual(Buffer.concat(payloads));
  });
});

test('what is missing is said of the batches before which it is missing', () => {
  const { batches, buffers } = packBatches([read('a', 'one'), read('b', 'two'), read('c', 'three')]);
  const lossy = [batches[0]!, { ...batches[1]!, trimmed: true, lostAfter: '0-5' }, batches[2]!];
  lossy[2] = { ...batches[2]!, trimmed: true, lostAfter: '0-1', deletedUpTo: '2-0' };
  const reply = structuredClone(packReply(lossy, [1, 2, 3], buffers));
  expect(batchOfReply(reply, 0)).not.toHaveProperty('lostAfter');
  expect(batchOfReply(reply, 0)).toMatchObject({ trimmed: false });
  expect(batchOfReply(reply, 1)).toMatchObject({ trimmed: true, lostAfter: '0-5' });
  expect(batchOfReply(reply, 2)).toMatchObject({ trimmed: true, lostAfter: '0-1', deletedUpTo: '2-0' });
});

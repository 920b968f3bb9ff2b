/** Kinds of work that the main thread can do itself or hand to the pool, each by the gateway's own code. */
import type { Redis } from 'ioredis';
import { SMALL_BYTES, SMALL_ENTRIES } from '../../src/reads/range-reads.js';
import type { KeyReads } from '../../src/redis/key-reads.js';
import { RangeReader } from '../../src/redis/range-reader.js';
import { parseForm } from '../../src/server/endpoints/data/form.js';
import { INLINE_JSON_BYTES, INLINE_TEXT_BYTES } from '../../src/threads/decoding.js';
import type { Threads } from '../../src/threads/threads.js';
import { StreamDescriber } from '../../workers/stream-describer.js';
import { decodeEntry, type EntryForm } from '../../workers/stream-description.js';

/** The same done in both places. */
export interface Ways {
  inline(): unknown;
  pool(): Promise<unknown>;
}

export interface Tools {
  readonly threads: Threads;
  /** As the pool's workers have one. */
  readonly connection: KeyReads;
  readonly redis: Redis;
}

export interface Work {
  readonly name: string;
  /** What its sizes count. */
  readonly unit: 'KiB' | 'entries' | 'streams' | 'parts';
  /** Ascending. */
  readonly sizes: readonly number[];
  /** From where on the code hands it to the pool; undefined where it always or never does. */
  readonly threshold?: number;
  prepare(size: number, tools: Tools): Promise<Ways> | Ways;
}

const SIZES_KIB = [1, 4, 16, 64, 250, 1000];
const COUNTS = [1, 4, 16, 64, 250];
const ENTRY_BYTES = 100;

function decode(name: string, form: EntryForm, make: (bytes: number) => Buffer): Work {
  return {
    name,
    unit: 'KiB',
    sizes: SIZES_KIB,
    ...(form !== 'data' && { threshold: (form === 'json' ? INLINE_JSON_BYTES : INLINE_TEXT_BYTES) / 1024 }),
    prepare: (kib, { threads }) => {
      const payload = new Uint8Array(make(kib * 1024));
      return {
        inline: () => decodeEntry(payload, [form]),
        // A copy, as the gateway must make one too: a batch is shared, and what is transferred is gone.
        pool: () => threads.decode(payload.slice(), [form]),
      };
    },
  };
}

/** Records such as sensors send. */
function jsonRecords(bytes: number): Buffer {
  const records: string[] = [];
  for (let length = 0; length < bytes; length += records.at(-1)!.length + 1) {
    const index = records.length;
    records.push(
      JSON.stringify({ id: index, name: `sensor-${index}`, value: index * 1.37, tags: ['a', 'b'] }),
    );
  }
  return Buffer.from(`[${records.join(',')}]`);
}

/** Entries read and packed on a connection of main's own, or of a worker's. */
function read(
  work: Omit<Work, 'prepare'>,
  entriesOf: (size: number) => { count: number; bytes: number },
): Work {
  return {
    ...work,
    prepare: async (size, { threads, connection, redis }) => {
      const { count, bytes } = entriesOf(size);
      const key = `bench:${work.unit}:${size}`;
      const payload = Buffer.alloc(bytes, 'x');
      await redis.del(key);
      for (let index = 1; index <= count; index++) await redis.xadd(key, `1-${index}`, 'd', payload);
      const reader = new RangeReader(connection);
      const task = {
        streams: [{ key, after: '0-0' }],
        count,
        latest: false,
        maxBytes: 2 * count * bytes,
        expectedBytes: bytes,
        proof: 'none' as const,
      };
      return { inline: () => reader.read(task), pool: () => threads.range(task) };
    },
  };
}

const xinfo: Work = {
  name: 'XINFO of some streams',
  unit: 'streams',
  sizes: COUNTS,
  prepare: async (size, { threads, connection, redis }) => {
    const keys = Array.from({ length: size }, (_, index) => `bench:xinfo:${index}`);
    for (const key of keys) await redis.xadd(key, 'MAXLEN', 1, '*', 'd', 'x'.repeat(ENTRY_BYTES));
    const describer = new StreamDescriber(connection);
    const request = { keys, info: 'all', first: [], last: [], meta: false } as const;
    return { inline: () => describer.describe(request), pool: () => threads.describe(request) };
  },
};

/**
 * The pool has no task for it. JSON of as many bytes stands in for one, whose value is what parsing would
 * have to bring back: where each part lies, and its name.
 */
const form: Work = {
  name: 'a form, parts of 100 B',
  unit: 'parts',
  sizes: COUNTS,
  prepare: async (size, { threads }) => {
    const parts = new FormData();
    const part = new Blob([Buffer.alloc(ENTRY_BYTES, 'x')]);
    for (let index = 0; index < size; index++) parts.append('entries', part, `s${index}`);
    const response = new Response(parts);
    const type = response.headers.get('content-type')!;
    const body = new Uint8Array(await response.arrayBuffer());
    const rows = parseForm(type, body).map(({ filename, payload }) => [filename, payload.byteOffset]);
    const answer = new Uint8Array(Buffer.from(JSON.stringify(rows).padEnd(body.length)));
    return { inline: () => parseForm(type, body), pool: () => threads.decode(answer.slice(), ['json']) };
  },
};

export const WORKS: readonly Work[] = [
  decode('base64 of an entry', 'data', (bytes) => Buffer.alloc(bytes, 'x')),
  decode('text of an entry, ASCII', 'string', (bytes) => Buffer.alloc(bytes, 'x')),
  decode('text of an entry, other', 'string', (bytes) => Buffer.alloc(bytes, 'ü')),
  decode('JSON of an entry', 'json', jsonRecords),
  read(
    { name: 'reading one entry', unit: 'KiB', sizes: SIZES_KIB, threshold: SMALL_BYTES / 1024 },
    (kib) => ({
      count: 1,
      bytes: kib * 1024,
    }),
  ),
  read(
    { name: 'reading entries of 100 B', unit: 'entries', sizes: COUNTS, threshold: SMALL_ENTRIES },
    (count) => ({
      count,
      bytes: ENTRY_BYTES,
    }),
  ),
  xinfo,
  form,
];

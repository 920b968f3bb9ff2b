/** What a stream holds in the end: the measure of what writers were told and followers were sent. */
import type { Redis } from 'ioredis';
import { stampOf } from './stamped-frames.js';

export interface Stored {
  readonly id: string;
  readonly stamp: string;
}

const PAGE = 500;

/** All entries of a stream of stamped frames, in order. */
export async function storedEntries(redis: Redis, key: string): Promise<Stored[]> {
  const entries: Stored[] = [];
  for (let start = '-'; ; ) {
    const page = (await redis.callBuffer('XRANGE', key, start, '+', 'COUNT', PAGE)) as [Buffer, Buffer[]][];
    for (const [id, fields] of page) entries.push({ id: id.toString(), stamp: stampOf(fields[1]!) });
    if (page.length < PAGE) return entries;
    start = `(${entries.at(-1)!.id}`;
  }
}

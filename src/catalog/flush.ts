/** Empties the database. */
import type { Redis } from 'ioredis';
import { Failure } from '../protocol/errors.js';
import { type Control, controlFailure } from '../redis/control.js';

/** @returns how many keys there were @throws Failure which says what is left, where only a part could be deleted */
export async function flushAll(control: Control): Promise<number> {
  let keys = 0;
  try {
    for await (const masters of control.rounds()) keys += await flushServers(control, masters);
    return keys;
  } catch (error) {
    throw controlFailure(error);
  }
}

async function flushServers(control: Control, masters: readonly Redis[]): Promise<number> {
  const outcomes = await Promise.allSettled(masters.map(flushServer));
  const keys = outcomes.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
  const [first, ...others] = outcomes.flatMap((one, index) =>
    one.status === 'rejected'
      ? [{ part: control.partOf(masters[index]!), reason: one.reason as unknown }]
      : [],
  );
  if (first === undefined) return keys;
  if (others.length + 1 === masters.length) throw first.reason;
  const { code, message } = controlFailure(first.reason);
  const left = [first, ...others].map(({ part }) => part).join(' and ');
  throw new Failure(
    code,
    `only ${keys} keys are deleted: those of ${left} of the Redis Cluster may still be there (${message}); flush again`,
  );
}

async function flushServer(redis: Redis): Promise<number> {
  const keys = await redis.dbsize();
  await redis.flushdb();
  return keys;
}

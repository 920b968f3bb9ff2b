/** Commands for many keys: one for all where a server has them all, else one for each, which go out together. */
import type { Control } from './control.js';

/** The strings at the keys; null where there is none. Rejects as `control` does. */
export function readStrings(control: Control, keys: readonly string[]): Promise<(string | null)[]> {
  if (control.takesManyKeys) return control.of(keys[0]!, (redis) => redis.mget([...keys]));
  return Promise.all(keys.map((key) => control.of(key, (redis) => redis.get(key)).catch(noneOfAnotherType)));
}

/** MGET has no string for a key of another type, where GET fails. */
function noneOfAnotherType(error: Error): null {
  if (error.name === 'ReplyError' && error.message.startsWith('WRONGTYPE')) return null;
  throw error;
}

/** Deletes keys. @returns how many there were; rejects as `control` does */
export async function unlinkAll(control: Control, keys: readonly string[]): Promise<number> {
  if (control.takesManyKeys) return control.of(keys[0]!, (redis) => redis.unlink([...keys]));
  const deleted = await Promise.all(keys.map((key) => control.of(key, (redis) => redis.unlink(key))));
  return deleted.reduce((sum, count) => sum + count, 0);
}

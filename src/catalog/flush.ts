/** Empties the database. */
import { type Control, controlFailure } from '../redis/control.js';

/** @returns how many keys there were @throws Failure */
export async function flushAll(control: Control): Promise<number> {
  const [redis] = control.masters();
  try {
    const keys = await redis!.dbsize();
    await redis!.flushdb();
    return keys;
  } catch (error) {
    throw controlFailure(error);
  }
}

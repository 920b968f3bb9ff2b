/** Arguments that have aliases: exactly one name may be used. */
import { Failure } from '../protocol/errors.js';

/** The one of some values that is given, or undefined. @throws Failure `bad_parameter` where two are */
export function atMostOne<T>(values: Readonly<Record<string, T | null | undefined>>): T | undefined {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new Failure('bad_parameter', `${names} are names of the same argument: give one of them`);
  }
  return given[0]?.[1] ?? undefined;
}

/** The one of some values that is given. @throws Failure `bad_parameter` where it is none or two */
export function exactlyOne<T>(values: Readonly<Record<string, T | null | undefined>>): T {
  const value = atMostOne(values);
  if (value === undefined) {
    throw new Failure('bad_parameter', `the argument ${Object.keys(values)[0]} is missing`);
  }
  return value;
}

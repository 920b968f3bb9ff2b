/**
 * How much is tried: some thousand inputs in the suite, and as many as you like otherwise, as with
 * `FUZZ_RUNS=200000 npx vitest run test/fuzz`. A failure prints the seed that leads back to it.
 */
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';

/** In all, over all that is tried in this process; what takes a gateway comes besides. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 6000);
/** No input may take the thread longer. */
const MOST_MS = 50;
/** A measurement may be anybody's fault but the input's. */
const REPEATS = 5;
/** What the slowest of the arbitraries needs for an input, and a good deal more. */
const MS_PER_RUN = 20;

const counts: [name: string, inputs: number][] = [];

/** @param share of all runs, from 0 to 1 */
export const runs = (share: number): number => Math.max(Math.ceil(RUNS * share), 20);
export const fuzzTimeout = (inputs: number): number => 30_000 + inputs * MS_PER_RUN;

export function report(name: string, inputs: number): void {
  counts.push([name, inputs]);
}

/** To be called once in a file: prints how much was tried. */
export function printCounts(): void {
  afterAll(() => {
    const total = counts.reduce((sum, [, inputs]) => sum + inputs, 0);
    const lines = counts.map(([name, inputs]) => `${String(inputs).padStart(9)}  ${name}`);
    process.stdout.write(`\ninputs tried:\n${lines.join('\n')}\n${String(total).padStart(9)}  in all\n`);
  });
}

/** How long this process was at work for a step, in ms, whatever else the machine does. */
function elapsed(step: () => void): number {
  const { user, system } = process.cpuUsage();
  step();
  const since = process.cpuUsage({ user, system });
  return (since.user + since.system) / 1000;
}

/** Tries `check` with many inputs: it must not throw, nor take long with any. */
export function fuzz<T>(
  name: string,
  share: number,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void,
): void {
  const numRuns = runs(share);
  test(`${name} (${numRuns} inputs)`, { timeout: fuzzTimeout(numRuns) }, () => {
    let tried = 0;
    fc.assert(
      fc.property(inputs, (input) => {
        tried++;
        let least = elapsed(() => check(input));
        for (let again = 0; again < REPEATS && least > MOST_MS; again++) {
          least = Math.min(
            least,
            elapsed(() => check(input)),
          );
        }
        expect(least).toBeLessThanOrEqual(MOST_MS);
      }),
      { numRuns },
    );
    report(name, tried);
  });
}

/** Bytes with a few of them changed, left out, doubled or put in. */
export function damaged(whole: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('set', 'cut', 'insert', 'double', 'drop'),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 13, 34, 44, 45, 58, 91, 93, 123, 125, 127, 128, 255)),
    length: fc.nat(20),
  });
  return fc.tuple(whole, fc.array(change, { maxLength: 4 })).map(([bytes, changes]) => {
    let made = Buffer.from(bytes);
    for (const { at, kind, byte, length } of changes) {
      const place = made.length === 0 ? 0 : at % made.length;
      const rest = made.subarray(place);
      if (kind === 'set') made = Buffer.concat([made.subarray(0, place), Buffer.of(byte), rest.subarray(1)]);
      else if (kind === 'cut') made = made.subarray(0, place);
      else if (kind === 'insert')
        made = Buffer.concat([made.subarray(0, place), Buffer.alloc(length, byte), rest]);
      else if (kind === 'double') made = Buffer.concat([made.subarray(0, place + length), rest]);
      else made = Buffer.concat([made.subarray(0, place), rest.subarray(length)]);
    }
    return made;
  });
}

/** Holds a client library against the list of cases. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { ALONE, TOGETHER } from './cases.js';
import { type Case, type Library, Servers, World } from './world.js';

export function testLibrary(library: Library): void {
  let servers: Servers;

  beforeAll(async () => {
    servers = await Servers.start();
  });

  afterAll(() => servers?.stop());

  const run = async ({ name, run }: Case) => {
    const world = new World(library, servers, name.replaceAll('+', ' '));
    try {
      await run(world);
    } finally {
      await world.end();
    }
  };

  describe('together', () => {
    for (const one of TOGETHER) test.concurrent(one.name, () => run(one));
  });

  describe('alone', () => {
    for (const one of ALONE) test(one.name, () => run(one));
  });
}

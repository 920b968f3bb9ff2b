/** Holds a client library against the list of cases. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { ALONE, TOGETHER } from './cases.js';
import { Driver } from './driven-client.js';
import { type Case, Servers, World } from './world.js';

/** Gateways start several times in a case, beside other tests. */
const PATIENCE_MS = 60_000;

/** @param command runs the library's driver */
export function testLibrary(...command: readonly string[]): void {
  let servers: Servers;
  let driver: Driver;

  beforeAll(async () => {
    driver = new Driver(command);
    servers = await Servers.start();
  });

  afterAll(() => Promise.all([driver.stop(), servers?.stop()]));

  const run = async ({ name, run }: Case) => {
    const world = new World(driver, servers, name.replaceAll('+', ' '));
    try {
      await run(world);
    } finally {
      await world.end();
      await servers.restore();
    }
  };

  describe('together', { timeout: PATIENCE_MS }, () => {
    for (const one of TOGETHER) test.concurrent(one.name, () => run(one));
  });

  describe('alone', { timeout: PATIENCE_MS }, () => {
    for (const one of ALONE) test(one.name, () => run(one));
  });
}

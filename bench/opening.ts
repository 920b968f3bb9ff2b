/** The start of a scenario, of which nothing is left behind where a part of it fails. */
import type { OpenScenario } from './scenario.js';

interface Stoppable {
  stop(): Promise<unknown>;
}

/** What was started, to be stopped in reverse order. */
export class Started {
  readonly #running: Stoppable[] = [];

  /** @returns what it was given */
  add<T extends Stoppable>(started: T): T {
    this.#running.push(started);
    return started;
  }

  async stop(): Promise<void> {
    for (const started of this.#running.splice(0).reverse()) await started.stop();
  }
}

/** @param start adds what it starts, and returns what a round is */
export async function opening(
  start: (started: Started) => Promise<OpenScenario['round']>,
): Promise<OpenScenario> {
  const started = new Started();
  try {
    return { round: await start(started), close: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw error;
  }
}

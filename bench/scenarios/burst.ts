/**
 * A burst: more entries than the stream keeps, pushed in one write, while one follows live. The gateway has
 * seen all of them, so its follower should be sent all of them, whatever the stream is trimmed to.
 */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { BurstTask } from '../load/burst.js';
import { opening } from '../opening.js';
import { startProgram } from '../programs.js';
import type { Scenario } from '../scenario.js';
import { type Costed, roundOf, withCost } from '../side.js';

const ENTRIES = 5000;
const BYTES = 100;
const MAX_LENGTH = 1000;
/** Of a round: the least that one of them delivered counts. */
const BURSTS = 5;
const FEWEST_BURSTS = 2;

export const BURST_SCENARIOS: readonly Scenario[] = [
  {
    scope: 'burst',
    figures: [
      {
        name: `delivered of a burst of ${ENTRIES} × 100 B, of which the stream keeps ${MAX_LENGTH}`,
        unit: 'entries',
        better: 'more',
        rivals: [],
        // None may be missing.
        limit: ENTRIES,
      },
    ],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const redis = started.add(await startRedis());
        const settings = { REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: String(MAX_LENGTH) };
        const gateway = started.add(await startGatewayProcess(settings, [], main));
        const task: BurstTask = { port: gateway.port, stream: 'burst', entries: ENTRIES, bytes: BYTES };
        const load = started.add(startProgram('load/burst', task));
        await load.says('ready');
        const side = { pid: gateway.process.pid!, others: [redis.process.pid!] };
        const burst = async () => {
          load.tell('');
          return Number(await load.says('got'));
        };
        return async () => {
          let worst: Costed | undefined;
          for (let count = 0; count < Math.max(FEWEST_BURSTS, Math.round(BURSTS * scale)); count++) {
            const measured = await withCost(side, burst, () => ENTRIES);
            if (worst === undefined || measured.result < worst.result) worst = measured;
          }
          return [roundOf(worst!, [], (entries) => entries)];
        };
      }),
  },
];

/** GraphQL: what a query costs beside the Redis commands that it stands for. */
import { randomBytes } from 'node:crypto';
import type { Scenario } from '../scenario.js';
import { type GraphqlCase, graphqlScenario, inTurns } from './graphql-bed.js';
import { subscription } from './graphql-subscription.js';

interface ListingSize {
  readonly streams: number;
  readonly bytes: number;
  readonly size: string;
  readonly turns: number;
  readonly target: number;
}

const listing = ({ streams, bytes, size, turns, target }: ListingSize): GraphqlCase => ({
  name: `ids and counts of ${streams} streams, ${size} entries`,
  unit: 'listings/s',
  ceiling: `${streams} × XINFO STREAM, pipelined by ioredis`,
  target,
  prepare: async (redis) => {
    const payload = randomBytes(bytes);
    for (let index = 0; index < streams; index++) await redis.xadd(`default:s${index}`, '*', 'd', payload);
  },
  round: (bed, scale) =>
    inTurns(
      bed,
      Math.max(3, Math.round(turns * scale)),
      () => bed.ask('{ streams { id length } }'),
      () => {
        const pipeline = bed.peer.pipeline();
        for (let index = 0; index < streams; index++) {
          pipeline.callBuffer('XINFO', 'STREAM', `default:s${index}`);
        }
        return pipeline.exec();
      },
    ),
});

const NEWEST_QUERIES = 600;

const newest: GraphqlCase = {
  name: "one stream's newest JSON entry, 1 kB",
  unit: 'queries/s',
  ceiling: 'XREVRANGE COUNT 1 by ioredis',
  target: 0.1,
  prepare: async (redis) => {
    await redis.xadd('default:one', '*', 'd', JSON.stringify({ text: 'x'.repeat(1000) }));
  },
  round: (bed, scale) =>
    inTurns(
      bed,
      Math.round(NEWEST_QUERIES * scale),
      () => bed.ask('{ stream(id: "one") { lastEntryJson } }'),
      () => bed.peer.xrevrangeBuffer('default:one', '+', '-', 'COUNT', 1),
    ),
};

export const GRAPHQL_SCENARIOS: readonly Scenario[] = [
  listing({ streams: 500, bytes: 1000, size: '1 kB', turns: 40, target: 0.4 }),
  listing({ streams: 100, bytes: 1_000_000, size: '1 MB', turns: 5, target: 20 }),
  newest,
  subscription,
].map(graphqlScenario);

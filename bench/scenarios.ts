/** All that is measured, in the order of the table. */
import type { Scenario } from './scenario.js';
import { BURST_SCENARIOS } from './scenarios/burst.js';
import { CATCH_UP_SCENARIOS } from './scenarios/catch-up.js';
import { CLUSTER_SCENARIOS } from './scenarios/cluster.js';
import { FAN_OUT_SCENARIOS } from './scenarios/fan-out.js';
import { GRAPHQL_SCENARIOS } from './scenarios/graphql.js';
import { IDLE_SCENARIOS } from './scenarios/idle.js';
import { LATENCY_SCENARIOS } from './scenarios/latency.js';
import { MEMORY_SCENARIOS } from './scenarios/memory.js';
import { PUSH_SCENARIOS } from './scenarios/push.js';
import { REST_SCENARIOS } from './scenarios/rest.js';
import { STREAMS_SCENARIOS } from './scenarios/streams.js';
import { WORKERS_SCENARIOS } from './scenarios/workers.js';

export const SCENARIOS: readonly Scenario[] = [
  ...PUSH_SCENARIOS,
  ...FAN_OUT_SCENARIOS,
  ...BURST_SCENARIOS,
  ...STREAMS_SCENARIOS,
  ...LATENCY_SCENARIOS,
  ...CATCH_UP_SCENARIOS,
  ...REST_SCENARIOS,
  ...GRAPHQL_SCENARIOS,
  ...MEMORY_SCENARIOS,
  ...IDLE_SCENARIOS,
  ...WORKERS_SCENARIOS,
  ...CLUSTER_SCENARIOS,
];

/** What every client library does, in one list: a case is written once, for all of them. */
import { ACCESS_CASES } from './access-cases.js';
import { FLOW_CASES } from './flow-cases.js';
import { OUTAGE_CASES } from './outage-cases.js';
import { READ_CASES } from './read-cases.js';
import { INTERRUPTED_REPLAY_CASES, REPLAY_CASES } from './replay-cases.js';
import type { Case } from './world.js';
import { WRITE_CASES } from './write-cases.js';

/** At the same time. */
export const TOGETHER: readonly Case[] = [...WRITE_CASES, ...READ_CASES, ...REPLAY_CASES, ...ACCESS_CASES];

/** One after the other: they look at all that the gateway has to do, or end it, and leave one that runs. */
export const ALONE: readonly Case[] = [...FLOW_CASES, ...OUTAGE_CASES, ...INTERRUPTED_REPLAY_CASES];

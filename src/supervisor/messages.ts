/** What the supervisor and its workers send one another. */
import type { Config } from '../config/settings.js';
import type { MetricSnapshot } from './metric-sums.js';

/** Whether a worker can do its work, and what `/readyz` says of it. */
export interface Readiness {
  readonly isReady: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What workers ask one another. */
export interface Topics {
  metrics: { readonly question: undefined; readonly answer: readonly MetricSnapshot[] };
  readiness: { readonly question: undefined; readonly answer: Readiness };
  /** How many clients follow each of these streams. */
  followers: { readonly question: readonly string[]; readonly answer: readonly number[] };
}
export type Topic = keyof Topics;

export interface WorkerStart {
  readonly type: 'start';
  /** From 1 on. */
  readonly number: number;
  /** With the worker's share of the limits. */
  readonly config: Config;
  /** Of the embedded Redis; undefined where REDIS_URL names one. */
  readonly redisSocket: string | undefined;
}

export type ToWorker =
  | WorkerStart
  /** To one that is prepared. */
  | { readonly type: 'listen' }
  /** Read the files again that may change. */
  | { readonly type: 'reload' }
  | { readonly type: 'stop' }
  | { readonly type: 'abort' }
  | { readonly type: 'question'; readonly id: number; readonly topic: Topic; readonly question: unknown }
  /** Of the others, to what this worker asked under that number. */
  | { readonly type: 'answers'; readonly id: number; readonly answers: readonly unknown[] };

export type FromWorker =
  /** All is there but clients. */
  | { readonly type: 'prepared' }
  | { readonly type: 'listening'; readonly address: string }
  /** The start has failed for a reason that is the user's to mend. */
  | { readonly type: 'failed'; readonly reason: string }
  | {
      readonly type: 'ask';
      /** The worker's own count. */
      readonly id: number;
      readonly topic: Topic;
      readonly question: unknown;
      /** Its own answer. */
      readonly own: unknown;
    }
  /** To the question of that number; undefined where it could not be answered. */
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown };

/** The loads that docs/scale.md answers for. */
import type { Workload } from './model.js';

const CAMERAS = { rate: 30, bytes: 100_000, kept: 100 } as const;

export const WORKLOADS: readonly Workload[] = [
  { ...CAMERAS, cameras: 10, followers: 50, routing: 'any' },
  { ...CAMERAS, cameras: 100, followers: 500, routing: 'any' },
  { ...CAMERAS, cameras: 1000, followers: 1000, routing: 'any' },
  { ...CAMERAS, cameras: 1000, followers: 5000, routing: 'any' },
  { ...CAMERAS, cameras: 1000, followers: 5000, routing: 'by stream' },
  // A million, of small entries and of frames that they see once a second.
  { cameras: 1000, rate: 1, bytes: 100, kept: 1000, followers: 1_000_000, routing: 'any' },
  { cameras: 1000, rate: 30, bytes: 100, kept: 1000, followers: 1_000_000, routing: 'any' },
  { ...CAMERAS, cameras: 1000, followers: 1_000_000, followRate: 1, routing: 'by stream' },
];

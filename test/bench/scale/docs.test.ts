/** docs/scale.md shows what the model says of the costs in bench/results. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { USUAL_CAPACITY } from '../../../bench/scale/capacity.js';
import { readCosts } from '../../../bench/scale/costs.js';
import { predict } from '../../../bench/scale/model.js';
import { describe as inWords, titleOf } from '../../../bench/scale/report.js';
import { WORKLOADS } from '../../../bench/scale/workloads.js';

const page = readFileSync('docs/scale.md', 'utf8');
const costs = readCosts();

describe('the answers: node dist/bench/scale/main.js', () => {
  test.each(WORKLOADS.map((workload) => [titleOf(workload), workload] as const))('%s', (_title, workload) => {
    expect(page).toContain(inWords(workload, predict(costs, workload, USUAL_CAPACITY)));
  });
});

test('the table of costs', () => {
  const [small, large] = costs.entries;
  const row = (name: keyof typeof small, what: string) => `| ${what} | ${small[name]} | ${large[name]} |`;
  for (const line of [
    row('pushMain', 'take an entry and have it stored'),
    row('readMain', 'read an entry, once for all its followers at a gateway'),
    row('deliverMain', 'send it to one follower'),
    row('redisWrite', 'Redis: store an entry'),
    row('redisRead', 'Redis: hand it to one gateway'),
  ]) {
    expect(page).toContain(line);
  }
});

/**
 * Fan-out: deliveries a second of one stream to many followers that keep up, without loss.
 *
 * The entries are live, and come from raw pipelined XADDs of the followers' process, as fast as the
 * slowest follower takes them: what is measured is the way from Redis to the followers, and the making of
 * an entry is one in as many deliveries as there are followers. The ceiling is bare uWebSockets.js in the
 * place of Redis and the gateway, which makes the same frames of nothing; the same program follows it in
 * the same way.
 */
import { opening } from '../opening.js';
import type { FigureSpec, Rival, Round, Scenario } from '../scenario.js';
import { roundOf } from '../side.js';
import { BareRival } from './fan-out-bare.js';
import { FanOutBed } from './fan-out-bed.js';
import type { FanOutCase, Followed, Timing } from './fan-out-follow.js';
import { PUSHED_SCENARIOS } from './fan-out-pushed.js';

interface FanOutFigure extends FanOutCase {
  readonly size: string;
  /** Of the ceiling. */
  readonly target: number;
  readonly hasPeer?: true;
}

const SMALL = { size: '100 B', bytes: 100 };
const LARGE = { size: '200 kB', bytes: 200_000 };
const RAW = { header: '0', count: 1 } as const;

/** A scenario for each number of followers. */
const FIGURES: readonly (readonly FanOutFigure[])[] = [
  [{ followers: 1, ...SMALL, ...RAW, target: 0.1 }],
  [
    { followers: 50, ...SMALL, ...RAW, target: 0.8, hasPeer: true },
    { followers: 50, ...LARGE, ...RAW, target: 0.7, hasPeer: true },
    { followers: 50, ...SMALL, header: '1', count: 1, target: 0.6 },
    { followers: 50, ...SMALL, header: 'msgpack', count: 100, target: 0.6 },
  ],
  [{ followers: 1000, ...SMALL, ...RAW, target: 0.8 }],
];

const WARM_UP_MS = 250;
const MEASURED_MS = 800;

function figureSpec({ followers, size, header, count, target, hasPeer }: FanOutFigure): FigureSpec {
  const rivals: Rival[] = [{ label: 'bare uWebSockets.js', kind: 'ceiling', target }];
  if (hasPeer) rivals.push({ label: 'plain Node gateway', kind: 'peer' });
  const framing = `header=${header}${count > 1 ? `, count=${count}` : ''}`;
  return {
    name: `fan-out to ${followers}, ${size}, ${framing}`,
    unit: 'deliveries/s',
    better: 'more',
    rivals,
  };
}

function fanOutScenario(figures: readonly FanOutFigure[]): Scenario {
  return {
    scope: 'fan-out',
    figures: figures.map(figureSpec),
    open: ({ scale, main, isAlone }) =>
      opening(async (started) => {
        const timing: Timing = { warmUpMs: WARM_UP_MS, ms: MEASURED_MS * scale };
        const bed = await FanOutBed.open(started, main);
        const bare = figures.map((figure) => new BareRival(figure));
        return async () => {
          const rounds: Round[] = [];
          for (const [index, figure] of figures.entries()) {
            const ours = await bed.followGateway(figure, timing);
            const rivals: Followed[] = [];
            if (!isAlone) rivals.push(await bare[index]!.follow(timing));
            if (!isAlone && figure.hasPeer) rivals.push(await bed.followPeer(figure, timing));
            rounds.push(roundOf(ours, rivals, (rate) => rate));
          }
          return rounds;
        };
      }),
  };
}

export const FAN_OUT_SCENARIOS: readonly Scenario[] = [...FIGURES.map(fanOutScenario), ...PUSHED_SCENARIOS];

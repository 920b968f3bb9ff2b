/** Push: entries from sockets into one stream, until Redis holds the last of them. */
import type { MessageShape } from '../load/messages.js';
import { opening } from '../opening.js';
import { paced } from '../paced.js';
import type { FigureSpec, Scenario } from '../scenario.js';
import { openPushBed, type PushBed, type Pushed, type PushLoad } from './push-bed.js';

/** How long each measurement lasts. */
const SECONDS = 1.4;
/** Of the first attempt, which is to last some milliseconds at least. */
const FIRST_BYTES = 1_000_000;

const RIVALS = {
  benchmark: {
    label: 'redis-benchmark XADD -P 64',
    kind: 'ceiling',
    of: (bed: PushBed) => bed.redisBenchmark,
  },
  rawXadd: { label: 'raw pipelined XADD', kind: 'ceiling', of: (bed: PushBed) => bed.rawXadd },
  plain: { label: 'plain Node gateway', kind: 'peer', of: (bed: PushBed) => bed.plainGateway },
} as const;

type RivalName = keyof typeof RIVALS;

interface Form extends Omit<MessageShape, 'bytes'> {
  readonly name: string;
  /** Least ratios to rivals. */
  readonly targets: Partial<Readonly<Record<RivalName, number>>>;
}

/** Forms of one size have their rivals in common, which each round measures once. */
interface PushSize extends PushLoad {
  readonly rivals: readonly RivalName[];
  readonly forms: readonly Form[];
}

const RAW = { framing: 'raw', entries: 1 } as const;

const SIZES: readonly PushSize[] = [
  {
    bytes: 100,
    maxLength: 1000,
    connections: 8,
    window: 0,
    rivals: ['benchmark', 'rawXadd', 'plain'],
    forms: [
      { name: 'push 100 B, header=0', ...RAW, targets: { benchmark: 0.8, plain: 5 } },
      { name: 'push 100 B, header=1', framing: 'json', entries: 1, targets: { plain: 4 } },
      {
        name: 'push 64 × 100 B a message, header=msgpack',
        framing: 'msgpack',
        entries: 64,
        targets: { benchmark: 0.9 },
      },
    ],
  },
  {
    bytes: 200_000,
    maxLength: 100,
    connections: 4,
    window: 4,
    rivals: ['rawXadd', 'plain'],
    forms: [{ name: 'push 200 kB, header=0', ...RAW, targets: { rawXadd: 0.65 } }],
  },
  {
    bytes: 6_000_000,
    maxLength: 10,
    connections: 2,
    window: 2,
    rivals: ['rawXadd', 'plain'],
    forms: [{ name: 'push 6 MB, header=0', ...RAW, targets: { rawXadd: 0.6 } }],
  },
];

/** Small entries are counted, of large ones the bytes tell more. */
const isLarge = ({ bytes }: PushSize) => bytes >= 100_000;

function figureOf(size: PushSize, { name, targets }: Form): FigureSpec {
  const rivals = size.rivals.map((key) => {
    const { label, kind } = RIVALS[key];
    const target = targets[key];
    return { label, kind, ...(target !== undefined && { target }) };
  });
  return { name, unit: isLarge(size) ? 'MB/s' : 'entries/s', better: 'more', rivals };
}

function pushScenario(size: PushSize): Scenario {
  const { bytes, connections, forms } = size;
  const inUnit = (rate: number) => (isLarge(size) ? (rate * bytes) / 1e6 : rate);
  return {
    scope: 'push',
    figures: forms.map((form) => figureOf(size, form)),
    open: ({ scale, main, isAlone }) =>
      opening(async (started) => {
        const bed = await openPushBed(size, started, main);
        const seconds = SECONDS * scale;
        const start = Math.max(connections, Math.round(FIRST_BYTES / bytes));
        const ours = forms.map((form) => bed.ours({ ...form, bytes }));
        const rivals = isAlone ? [] : size.rivals.map((key) => RIVALS[key].of(bed));
        const measures: (() => Promise<Pushed>)[] = [];
        for (const push of [...ours, ...rivals]) measures.push(await paced(push, seconds, start));
        return async () => {
          const pushed: Pushed[] = [];
          for (const measure of measures) pushed.push(await measure());
          const rates = pushed.map(({ rate }) => inUnit(rate));
          return forms.map((_, index) => ({
            ours: rates[index]!,
            rivals: rates.slice(forms.length),
            cpuMicroseconds: pushed[index]!.cpuMicroseconds,
          }));
        };
      }),
  };
}

export const PUSH_SCENARIOS: readonly Scenario[] = SIZES.map(pushScenario);

/** Push: entries from sockets into one stream, until Redis holds the last of them. */
import type { MessageShape } from '../load/messages.js';
import { opening } from '../opening.js';
import { paced } from '../paced.js';
import { natsProgram } from '../peers/nats.js';
import type { FigureSpec, Rival, Scenario } from '../scenario.js';
import { roundOf } from '../side.js';
import { measureAll, openPushBed, type Push, type PushBed, type Pushed, type PushLoad } from './push-bed.js';

/** How long each measurement lasts. */
const SECONDS = 1.4;
/** Of the first attempt, which is to last some milliseconds at least. */
const FIRST_BYTES = 1_000_000;

interface PushRival {
  readonly label: string;
  readonly kind: Rival['kind'];
  readonly isHere: boolean;
  of(bed: PushBed, shape: MessageShape): Push | Promise<Push>;
}

const natsRival = (label: string): PushRival => ({
  label,
  kind: 'peer',
  isHere: natsProgram !== undefined,
  of: (bed, shape) => bed.nats(natsProgram!, shape),
});

const RIVALS = {
  benchmark: {
    label: 'redis-benchmark XADD -P 64',
    kind: 'ceiling',
    isHere: true,
    of: (bed) => bed.redisBenchmark,
  },
  rawXadd: { label: 'raw pipelined XADD', kind: 'ceiling', isHere: true, of: (bed) => bed.rawXadd },
  plain: { label: 'plain Node gateway', kind: 'peer', isHere: true, of: (bed) => bed.plainGateway },
  nats: natsRival('NATS JetStream in memory'),
  natsFile: natsRival('NATS JetStream in a file'),
} as const satisfies Record<string, PushRival>;

type RivalName = keyof typeof RIVALS;
type Targets = Partial<Readonly<Record<RivalName, number>>>;

interface Form extends Omit<MessageShape, 'bytes'> {
  readonly name: string;
  /** Least ratios to rivals. */
  readonly targets: Targets;
  /** Greatest ratios of CPU time to theirs. */
  readonly cpuTargets?: Targets;
  /** CPU time of ours with Redis an entry, in microseconds. */
  readonly cpuLimit?: number;
}

/** Forms of one size have their rivals in common, which each round measures once, in the first form's shape. */
interface PushSize extends PushLoad {
  readonly rivals: readonly RivalName[];
  readonly forms: readonly Form[];
}

const RAW = { framing: 'raw', entries: 1 } as const;
const PACKED = { framing: 'msgpack', entries: 64 } as const;
/** Entries in messages of one, or of many, with about as many under way. */
const ACKED = { bytes: 100, maxLength: 1000, connections: 8, window: 64, storage: 'memory' } as const;
const PACKED_WINDOW = 4;
const LARGE = { bytes: 200_000, maxLength: 100, connections: 4, window: 4 } as const;

const SIZES: readonly PushSize[] = [
  {
    bytes: 100,
    maxLength: 1000,
    connections: 8,
    window: 0,
    storage: 'memory',
    rivals: ['benchmark', 'rawXadd', 'plain'],
    forms: [
      { name: 'push 100 B, header=0', ...RAW, targets: { benchmark: 0.8, plain: 5 } },
      { name: 'push 100 B, header=1', framing: 'json', entries: 1, targets: { plain: 4 } },
      { name: 'push 64 × 100 B a message, header=msgpack', ...PACKED, targets: { benchmark: 0.9 } },
    ],
  },
  {
    ...ACKED,
    rivals: ['nats', 'plain'],
    forms: [
      { name: 'push 100 B, acked, header=0', ...RAW, targets: {}, cpuTargets: { nats: 1 }, cpuLimit: 10 },
    ],
  },
  {
    ...ACKED,
    window: PACKED_WINDOW,
    rivals: ['nats'],
    forms: [
      {
        name: 'push 64 × 100 B a message, acked, header=msgpack',
        ...PACKED,
        targets: {},
        cpuTargets: { nats: 1 },
        cpuLimit: 5,
      },
    ],
  },
  {
    ...ACKED,
    storage: 'file',
    rivals: ['natsFile'],
    forms: [
      {
        name: 'push 100 B, acked, in a file',
        ...RAW,
        targets: {},
        cpuTargets: { natsFile: 1 },
        cpuLimit: 12,
      },
    ],
  },
  {
    ...LARGE,
    storage: 'memory',
    rivals: ['rawXadd', 'plain', 'nats'],
    forms: [{ name: 'push 200 kB, header=0', ...RAW, targets: { rawXadd: 0.65 }, cpuTargets: { nats: 1 } }],
  },
  {
    ...LARGE,
    storage: 'file',
    rivals: ['natsFile'],
    forms: [
      {
        name: 'push 200 kB, in a file',
        ...RAW,
        targets: {},
        cpuTargets: { natsFile: 1 },
        cpuLimit: 800,
      },
    ],
  },
  {
    bytes: 6_000_000,
    maxLength: 10,
    connections: 2,
    window: 2,
    storage: 'memory',
    rivals: ['rawXadd', 'plain'],
    forms: [{ name: 'push 6 MB, header=0', ...RAW, targets: { rawXadd: 0.6 } }],
  },
];

/** Small entries are counted, of large ones the bytes tell more. */
const isLarge = ({ bytes }: PushSize) => bytes >= 100_000;

/** Those whose programs this machine has. */
const rivalsOf = ({ rivals }: PushSize) => rivals.filter((key) => RIVALS[key].isHere);

function figureOf(size: PushSize, { name, targets, cpuTargets, cpuLimit }: Form): FigureSpec {
  const rivals = rivalsOf(size).map((key): Rival => {
    const { label, kind } = RIVALS[key];
    const target = targets[key];
    const cpuTarget = cpuTargets?.[key];
    return {
      label,
      kind,
      ...(target !== undefined && { target }),
      ...(cpuTarget !== undefined && { cpuTarget }),
    };
  });
  return {
    name,
    unit: isLarge(size) ? 'MB/s' : 'entries/s',
    better: 'more',
    rivals,
    ...(cpuLimit !== undefined && { cpuLimit }),
  };
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
        const pushes: Push[] = forms.map((form) => bed.ours({ ...form, bytes }));
        for (const key of isAlone ? [] : rivalsOf(size)) {
          const rival: PushRival = RIVALS[key];
          pushes.push(await rival.of(bed, { ...forms[0]!, bytes }));
        }
        const measures: (() => Promise<Pushed>)[] = [];
        for (const push of pushes) measures.push(await paced(push, seconds, start));
        return async () => {
          const pushed = await measureAll(measures);
          const rivals = pushed.slice(forms.length);
          return forms.map((_, index) => roundOf(pushed[index]!, rivals, ({ rate }) => inUnit(rate)));
        };
      }),
  };
}

export const PUSH_SCENARIOS: readonly Scenario[] = SIZES.map(pushScenario);

/**
 * Fan-out of what is pushed to the same gateway, beside brokers: one publishes over a WebSocket, and ten
 * follow over WebSockets. Whoever publishes keeps a few messages ahead of the slowest follower.
 *
 * What the peers promise is not the same. A follower of ours, and a consumer of JetStream, is sent what is
 * stored, and can go on where it was. A plain subscription of NATS is sent what comes while it is there, stored
 * or not, and so is one of MQTT.
 */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { BrokerLink } from '../load/broker.js';
import { openJetStream } from '../load/jetstream.js';
import { opening, type Started } from '../opening.js';
import { mosquittoProgram, startMosquitto } from '../peers/mosquitto.js';
import { natsProgram, startNats } from '../peers/nats.js';
import type { FigureSpec, Rival, Scenario } from '../scenario.js';
import { roundOf } from '../side.js';
import { type FanOutCase, type Followed, follow, type Timing } from './fan-out-follow.js';

interface PushedFigure extends FanOutCase {
  readonly name: string;
  readonly unit: string;
  /** Entries under way. */
  readonly window: number;
  readonly cpuLimit: number;
}

const MAX_LENGTH = 100;
const STREAM = 'BENCH';
const SUBJECT = 'bench.data';
const WARM_UP_MS = 250;
const MEASURED_MS = 800;

const FIGURES: readonly PushedFigure[] = [
  {
    name: 'fan-out of pushes to 10, 200 kB, header=0',
    followers: 10,
    bytes: 200_000,
    header: '0',
    count: 1,
    unit: 'deliveries/s',
    window: 10,
    cpuLimit: 150,
  },
];

type Follow = (figure: PushedFigure, timing: Timing) => Promise<Followed>;

interface Peer {
  readonly label: string;
  readonly isHere: boolean;
  /** Of our rate divided by its. */
  readonly target?: number;
  open(started: Started): Promise<Follow>;
}

const nats = (label: string, hasConsumer: boolean): Peer => ({
  label,
  isHere: natsProgram !== undefined,
  ...(hasConsumer && { target: 1.1 }),
  open: async (started) => {
    const { pid, port } = started.add(await startNats(natsProgram!));
    const control = started.add(await openJetStream(port));
    const link: BrokerLink = {
      to: 'nats',
      port,
      subject: SUBJECT,
      ...(hasConsumer && { stream: STREAM }),
    };
    return async (figure, timing) => {
      await control.create(STREAM, SUBJECT, 'memory', MAX_LENGTH);
      return followBroker(figure, timing, pid, link);
    };
  },
});

const mosquitto = (qos: 0 | 1): Peer => ({
  label: `mosquitto, QoS ${qos}`,
  isHere: mosquittoProgram !== undefined,
  open: async (started) => {
    const { pid, port } = started.add(await startMosquitto(mosquittoProgram!));
    const link: BrokerLink = { to: 'mqtt', port, topic: SUBJECT, qos };
    return (figure, timing) => followBroker(figure, timing, pid, link);
  },
});

const PEERS = [
  nats('NATS JetStream in memory, a consumer each', true),
  nats('NATS JetStream in memory, plain subscriptions', false),
  mosquitto(0),
  mosquitto(1),
].filter(({ isHere }) => isHere);

function followBroker(
  figure: PushedFigure,
  timing: Timing,
  pid: number,
  broker: BrokerLink,
): Promise<Followed> {
  const { bytes, window } = figure;
  const feed = { to: 'broker', link: broker, bytes, runEntries: 1, runs: window } as const;
  return follow(figure, { side: { pid, others: [] }, port: broker.port, path: '/', broker, feed }, timing);
}

async function openGateway(started: Started, main: string | undefined): Promise<Follow> {
  const redis = started.add(await startRedis());
  const settings = { REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: String(MAX_LENGTH), MAX_CLIENT_SHARE: '100' };
  const gateway = started.add(await startGatewayProcess(settings, [], main));
  const side = { pid: gateway.process.pid!, others: [redis.process.pid!] };
  const { port } = gateway;
  return (figure, timing) => {
    const { bytes, window } = figure;
    const push = { to: 'push', port, path: '/data/pushed/push?header=0', bytes } as const;
    const feed = { ...push, runEntries: 1, runs: window };
    return follow(figure, { side, port, path: '/data/pushed/pull?header=0&block=0', feed }, timing);
  };
}

function figureOf({ name, unit, cpuLimit }: PushedFigure): FigureSpec {
  const rivals = PEERS.map(({ label, target }): Rival => {
    return { label, kind: 'peer', cpuTarget: 1, ...(target !== undefined && { target }) };
  });
  return { name, unit, better: 'more', rivals, cpuLimit };
}

const pushedScenario = (figure: PushedFigure): Scenario => ({
  scope: 'fan-out',
  figures: [figureOf(figure)],
  open: ({ scale, main, isAlone }) =>
    opening(async (started) => {
      const timing: Timing = { warmUpMs: WARM_UP_MS, ms: MEASURED_MS * scale };
      const ours = await openGateway(started, main);
      const peers: Follow[] = [];
      for (const peer of isAlone ? [] : PEERS) peers.push(await peer.open(started));
      return async () => {
        const mine = await ours(figure, timing);
        const theirs: Followed[] = [];
        for (const peer of peers) theirs.push(await peer(figure, timing));
        return [roundOf(mine, theirs, (rate) => rate)];
      };
    }),
});

export const PUSHED_SCENARIOS: readonly Scenario[] = FIGURES.map(pushedScenario);

/**
 * A bad network between a client and a server: late, in pieces, cut or gone silent.
 *
 *     client ── toServer ──▶ proxy ── toServer ──▶ server
 *            ◀── toClient ──       ◀── toClient ──
 *
 * It listens as its target does: on a Unix socket for a path, else on a free port of 127.0.0.1. Faults
 * begin and end at any time and hold for the connections that are open and those to come; with `only`
 * for some of the gateway's connections to Redis, told apart by the name that each gives itself.
 *
 *     const proxy = await FaultProxy.start(redis);
 *     const gateway = await startGatewayProcess({ REDIS_URL: proxy.url });
 *     proxy.only = /append/;
 *     await proxy.cutAfter(0, 'toClient');        the command arrives, its reply does not
 *     await proxy.cutAfter(1000, 'toServer');     cut within a command
 *     proxy.stall();                              half-open: nothing passes, no FIN, no RST, none is noticed
 *     proxy.resume();                             … and all that waited goes on
 *     proxy.cut();                                all at once, now
 *     proxy.isRefusing = true;                    new connections end at once
 *     proxy.latencyMs = 50;                       each way
 *     proxy.isDribbling = true;                   a byte at a time, both ways
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

export type Direction = 'toServer' | 'toClient';

/** A server's Unix socket, or its port on 127.0.0.1. */
export type ProxyTarget = { readonly path: string } | { readonly port: number };

/** A direction takes no more from its sender while this much waits in it. */
const MAX_WAITING_BYTES = 1024 * 1024;
const NAME = /streamgate-([\w-]+)/;

/** One direction of one connection: what came in and is not passed on yet. */
class Flow {
  readonly #proxy: FaultProxy;
  readonly #link: Link;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #waiting: { readonly bytes: Buffer; readonly due: number }[] = [];
  #waitingBytes = 0;
  #isEnding = false;
  #isPassing = false;
  /** Bytes that may still pass before the connection is cut. */
  allowance = Number.POSITIVE_INFINITY;
  whenCut: (() => void) | undefined;
  passedBytes = 0;

  constructor(proxy: FaultProxy, link: Link, from: Socket, to: Socket) {
    this.#proxy = proxy;
    this.#link = link;
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes: Buffer) => {
      this.#waiting.push({ bytes, due: performance.now() + (this.#isFaulty ? proxy.latencyMs : 0) });
      this.#waitingBytes += bytes.length;
      if (this.#waitingBytes > MAX_WAITING_BYTES) from.pause();
      void this.pass();
    });
    from.on('end', () => {
      this.#isEnding = true;
      void this.pass();
    });
  }

  get #isFaulty(): boolean {
    return this.#proxy.only.test(this.#link.name);
  }

  get #isStalled(): boolean {
    return this.#proxy.isStalled && this.#isFaulty;
  }

  /** Passes on what may pass. */
  async pass(): Promise<void> {
    if (this.#isPassing) return;
    this.#isPassing = true;
    while (!this.#isStalled && this.#waiting.length > 0 && !this.#to.destroyed) {
      const { due } = this.#waiting[0]!;
      const early = due - performance.now();
      if (early > 0) {
        await delay(early);
        continue;
      }
      const { bytes } = this.#waiting.shift()!;
      await this.#passBytes(bytes.subarray(0, this.allowance));
      this.#waitingBytes -= bytes.length;
      this.allowance -= bytes.length;
      if (this.allowance < 0) await this.#cut();
      else if (this.#waitingBytes <= MAX_WAITING_BYTES) this.#from.resume();
    }
    this.#isPassing = false;
    if (this.#isEnding && this.#waiting.length === 0 && !this.#isStalled) this.#to.end();
  }

  async #passBytes(bytes: Buffer): Promise<void> {
    const isDribbling = this.#proxy.isDribbling && this.#isFaulty;
    const size = isDribbling ? 1 : bytes.length;
    for (let at = 0; at < bytes.length && !this.#to.destroyed; at += size) {
      const hasRoom = this.#to.write(bytes.subarray(at, at + size));
      this.passedBytes += size;
      if (isDribbling) await nextTurn();
      else if (!hasRoom) await drained(this.#to);
    }
  }

  async #cut(): Promise<void> {
    // What is allowed arrives before the end.
    await new Promise((resolve) => {
      // Called with an error, too.
      this.#to.write('', resolve);
    });
    this.#link.cut();
    this.whenCut?.();
  }
}

/** Resolves when the socket has room again, or is closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.once('drain', done).once('close', done);
  });
}

/** One connection through the proxy. */
class Link {
  /** What is behind `streamgate-` in the client's CLIENT SETNAME; '' before that, and for others. */
  name = '';
  readonly #client: Socket;
  readonly #server: Socket;
  readonly toServer: Flow;
  readonly toClient: Flow;

  constructor(
    proxy: FaultProxy,
    client: Socket,
    server: Socket,
    events: { named(link: Link): void; closed(link: Link): void },
  ) {
    this.#client = client;
    this.#server = server;
    // Before the flow's own listener, so that faults hold from the first byte on.
    client.once('data', (bytes: Buffer) => {
      this.name = NAME.exec(bytes.toString('latin1', 0, 1024))?.[1] ?? '';
      events.named(this);
    });
    this.toServer = new Flow(proxy, this, client, server);
    this.toClient = new Flow(proxy, this, server, client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => {}); // 'close' comes as well
      socket.on('close', (hadError) => {
        // A broken connection is broken on both sides; what had only ended passes on its rest first.
        if (hadError && !(proxy.isStalled && proxy.only.test(this.name))) other.destroy();
        if (client.destroyed && server.destroyed) events.closed(this);
      });
    }
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
  }
}

export class FaultProxy {
  /** Faults hold only for connections whose name matches: `append-…`, `control`, `reader`, … */
  only = /(?:)/;
  latencyMs = 0;
  isDribbling = false;
  isRefusing = false;
  isStalled = false;
  /** Where clients connect: `unix://…` or `redis://127.0.0.1:…`. */
  readonly url: string;
  /** The same as a target, for who needs no address. */
  readonly listening: ProxyTarget;
  readonly #links = new Set<Link>();
  readonly #server: Server;
  readonly #folder: string;
  /** What the next connections are allowed, until one is cut. */
  #nextCut: { bytes: number; direction: Direction; done: () => void } | undefined;

  private constructor(server: Server, folder: string, listening: ProxyTarget) {
    this.#server = server;
    this.#folder = folder;
    this.listening = listening;
    this.url = 'path' in listening ? `unix://${listening.path}` : `redis://127.0.0.1:${listening.port}`;
  }

  /** @param target e.g. a `TestRedis`, or `{ port }` of a gateway */
  static async start(target: ProxyTarget): Promise<FaultProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'sg-proxy-'));
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    if ('path' in target) server.listen(join(folder, 's'));
    else server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address() as AddressInfo | string;
    const proxy = new FaultProxy(
      server,
      folder,
      typeof address === 'string' ? { path: address } : { port: address.port },
    );
    server.on('connection', (client) => proxy.#accept(client, target));
    return proxy;
  }

  /** The names of the connections that are open, or were when the network stalled. */
  get names(): string[] {
    return this.#faulty.map(({ name }) => name);
  }

  /** Bytes that `only`'s open connections passed on. */
  passedBytes(direction: Direction): number {
    return this.#faulty.reduce((sum, link) => sum + link[direction].passedBytes, 0);
  }

  /** Nothing passes any more; neither side is told, whatever the other does. */
  stall(): void {
    this.isStalled = true;
  }

  resume(): void {
    this.isStalled = false;
    for (const link of this.#links) {
      void link.toServer.pass();
      void link.toClient.pass();
    }
  }

  /** Ends the connections now. */
  cut(): void {
    for (const link of this.#faulty) link.cut();
  }

  /**
   * Cuts the first connection that wants to pass more than `bytes` further bytes in that direction.
   * @returns when it was cut
   */
  cutAfter(bytes: number, direction: Direction): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#nextCut = undefined;
        for (const link of this.#links) {
          link[direction].allowance = Number.POSITIVE_INFINITY;
          link[direction].whenCut = undefined;
        }
        resolve();
      };
      this.#nextCut = { bytes, direction, done };
      for (const link of this.#faulty) this.#arm(link);
    });
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #faulty(): Link[] {
    return [...this.#links].filter(({ name }) => this.only.test(name));
  }

  #arm(link: Link): void {
    if (this.#nextCut === undefined) return;
    const { bytes, direction, done } = this.#nextCut;
    link[direction].allowance = bytes;
    link[direction].whenCut = done;
  }

  #accept(client: Socket, target: ProxyTarget): void {
    if (this.isRefusing) {
      client.on('error', () => {});
      client.destroy();
      return;
    }
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#links.add(
      new Link(this, client, server, {
        named: (link) => {
          if (this.only.test(link.name)) this.#arm(link);
        },
        closed: (link) => this.#links.delete(link),
      }),
    );
  }
}

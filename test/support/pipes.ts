/** `streamgate` as shells run it: processes with pipes, against a gateway and a Redis of a test's own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type GatewayProcess, MAIN, startGatewayProcess } from './gateway-process.js';
import { startRedis, type TestRedis } from './redis-server.js';

/** Others use the machine at the same time. */
export const soon = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000 });

export interface Ended {
  readonly code: number | null;
  /** Standard output, a character a byte. */
  readonly out: string;
  readonly errors: string;
}

/** A command under way. */
export class Command {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #out: Buffer[] = [];
  #errors = '';
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], url: string) {
    this.process = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, STREAMGATE_URL: url } });
    this.process.stdout.on('data', (chunk: Buffer) => this.#out.push(chunk));
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk;
    });
    // A command that fails may not read what it is given.
    this.process.stdin.on('error', () => {});
    this.#closed = once(this.process, 'close');
  }

  get out(): Buffer {
    return Buffer.concat(this.#out);
  }

  /** Resolves once it has written to standard error. */
  async said(): Promise<void> {
    if (this.#errors === '') await once(this.process.stderr, 'data');
  }

  async end(): Promise<Ended> {
    await this.#closed;
    return { code: this.process.exitCode, out: this.out.toString('latin1'), errors: this.#errors };
  }
}

export class PipesFixture {
  readonly redis: TestRedis;
  /** A folder for files, removed at the end. */
  readonly folder: string;
  readonly #gateway: GatewayProcess;

  private constructor(redis: TestRedis, gateway: GatewayProcess, folder: string) {
    this.redis = redis;
    this.#gateway = gateway;
    this.folder = folder;
  }

  static async start(): Promise<PipesFixture> {
    const redis = await startRedis();
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: '100000' });
    return new PipesFixture(redis, gateway, await mkdtemp(join(tmpdir(), 'sg-pipes-')));
  }

  async stop(): Promise<void> {
    await this.#gateway.stop();
    await this.redis.stop();
    await rm(this.folder, { recursive: true });
  }

  get url(): string {
    return this.#gateway.http;
  }

  begin(args: readonly string[]): Command {
    return new Command(args, this.#gateway.http);
  }

  /** Runs to the end, with `input` on standard input. */
  run(args: readonly string[], input: string | Uint8Array = ''): Promise<Ended> {
    const command = this.begin(args);
    command.process.stdin.end(input);
    return command.end();
  }

  async stored(sid: string): Promise<Buffer[]> {
    const entries = await this.redis.client.xrangeBuffer(`default:${sid}`, '-', '+');
    return entries.map(([, fields]) => fields[1]!);
  }

  async storedTexts(sid: string): Promise<string[]> {
    return (await this.stored(sid)).map(String);
  }

  add(sid: string, id: string, value: string | Buffer): Promise<string | null> {
    return this.redis.client.xadd(`default:${sid}`, id, 'd', value);
  }
}

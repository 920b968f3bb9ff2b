/** The built gateway in a process of its own, on a free port, as a user runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** npm runs tests and benchmarks in the project's folder, wherever this file was compiled to. */
export const MAIN = resolve('dist/src/main.js');

export interface GatewayProcess {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly http: string;
  /** `ws://127.0.0.1:port` */
  readonly ws: string;
  readonly process: ChildProcess;
  readonly dataDir: string;
  /** What was logged so far, a record each. */
  readonly log: readonly Record<string, unknown>[];
  /** The gateway's own resident memory in bytes. */
  residentBytes(): Promise<number>;
  /**
   * A metric's value, by its name without `streamgate_`: of one series, as `connections{endpoint="push"}`,
   * or of all together.
   */
  metric(name: string): Promise<number>;
  /** Ends it with SIGTERM and removes its folder. @returns its exit code */
  stop(): Promise<number | null>;
}

/**
 * Starts a gateway with the given settings; without REDIS_URL with an embedded Redis of its own.
 * @param launcher a command that runs the one behind it, such as `sh -c 'ulimit …; exec "$@"' sh`
 * @param main path of the gateway's `main.js`
 */
export async function startGatewayProcess(
  settings: Record<string, string> = {},
  launcher: readonly string[] = [],
  main = MAIN,
): Promise<GatewayProcess> {
  const ownFolder = settings.STREAMGATE_DATA_DIR === undefined;
  const dataDir = settings.STREAMGATE_DATA_DIR ?? (await mkdtemp(join(tmpdir(), 'sg-data-')));
  const { REDIS_URL: _, ...inherited } = process.env;
  const [program, ...parameters] = [...launcher, process.execPath, main, 'serve'];
  const child = spawn(program!, parameters, {
    env: { ...inherited, PORT: '0', STREAMGATE_DATA_DIR: dataDir, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: Record<string, unknown>[] = [];
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const record = JSON.parse(line) as Record<string, unknown>;
      log.push(record);
      const match = /listening on .*:(\d+)$/.exec(String(record.msg));
      if (match) resolve(Number(match[1]));
    });
    child.once('exit', (code, signal) =>
      reject(new Error(`the gateway ended with ${signal ?? code}: ${errors}`)),
    );
  });
  return {
    port,
    http: `http://127.0.0.1:${port}`,
    ws: `ws://127.0.0.1:${port}`,
    process: child,
    dataDir,
    log,
    residentBytes: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
    },
    metric: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const values = text
        .split('\n')
        .filter((line) => line.startsWith(`streamgate_${name} `) || line.startsWith(`streamgate_${name}{`))
        .map((line) => Number(line.slice(line.lastIndexOf(' '))));
      return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value);
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.kill('SIGTERM');
        await exit;
      }
      if (ownFolder) await rm(dataDir, { recursive: true, force: true });
      return child.exitCode;
    },
  };
}

/**
 * HTTP requests as fast as a server answers them, one at a time on each of some connections: by wrk where
 * the PATH has it, which costs far less than any server it asks, else by autocannon in a process of its own.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findExecutable } from '../../src/system/executables.js';
import { startProgram } from '../programs.js';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

export interface HttpLoad extends HttpRequest {
  readonly port: number;
  readonly connections: number;
  /** How long to go on, in whole seconds: wrk knows no others. */
  readonly seconds: number;
}

export interface HttpAnswers {
  /** Answers of status 2xx. */
  readonly answered: number;
  /** Other answers, and connections that failed. */
  readonly failed: number;
  /** As long as it took in the end. */
  readonly seconds: number;
}

const wrk = await findExecutable(['wrk']);
/** What makes the requests. */
export const HTTP_LOAD_TOOL = wrk === undefined ? 'autocannon' : 'wrk';

/** @returns answers a second, and how many they were @throws Error where a request failed */
export async function loadHttp(load: HttpLoad): Promise<{ rate: number; answered: number }> {
  const { answered, failed, seconds } = await (wrk === undefined ? runAutocannon(load) : runWrk(wrk, load));
  if (failed > 0) throw new Error(`${failed} of ${answered + failed} requests to ${load.path} failed`);
  return { rate: answered / seconds, answered };
}

async function runWrk(program: string, load: HttpLoad): Promise<HttpAnswers> {
  const { port, connections, seconds, method, path, body } = load;
  const folder = await mkdtemp(join(tmpdir(), 'sg-wrk-'));
  const script = join(folder, 'request.lua');
  // A JSON string of printable ASCII is a Lua string as well. Its times are in microseconds.
  const lines = [
    `wrk.method = ${JSON.stringify(method)}`,
    ...(body === undefined ? [] : [`wrk.body = ${JSON.stringify(body)}`]),
    'function done(s)',
    '  local e = s.errors',
    '  local failed = e.connect + e.read + e.write + e.status + e.timeout',
    '  print("result " .. s.requests - e.status .. " " .. failed .. " " .. s.duration)',
    'end',
  ];
  try {
    await writeFile(script, lines.join('\n'));
    const { stdout } = await promisify(execFile)(program, [
      ...['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', script],
      `http://127.0.0.1:${port}${path}`,
    ]);
    const result = /^result (\d+) (\d+) (\d+)$/m.exec(stdout);
    if (result === null) throw new Error(`wrk printed no result: ${stdout}`);
    return { answered: Number(result[1]), failed: Number(result[2]), seconds: Number(result[3]) / 1e6 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runAutocannon(load: HttpLoad): Promise<HttpAnswers> {
  const program = startProgram('load/autocannon', load);
  try {
    return JSON.parse(await program.says('result')) as HttpAnswers;
  } finally {
    await program.stop();
  }
}

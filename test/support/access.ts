/** A gateway with access control: tokens by the names that a test gives them, in a file that it may change. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Action, Right } from '../../src/access/rights.js';
import { makeToken } from '../../src/access/tokens.js';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js';
import { startRedis, type TestRedis } from './redis-server.js';

/** What a test says of a token; all streams of all devices where a right does not say which. */
export interface TokenPlan {
  readonly device?: string;
  readonly rights: readonly (Pick<Right, 'actions'> & Partial<Right>)[];
  /** Milliseconds from now. */
  readonly lasts?: number;
  readonly note?: string;
}

export const allows = (...actions: Action[]): TokenPlan['rights'] => [{ actions }];

export interface AccessFixture<Name extends string> {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
  /** The tokens themselves. */
  readonly tokens: Readonly<Record<Name, string>>;
  readonly file: string;
  /** Writes the file anew, with these of the tokens, and waits until the gateway has read it. */
  rewrite(plans: Partial<Record<Name, TokenPlan>>): Promise<void>;
  /** Writes what is no tokens file, and waits until the gateway has said so. @returns what it said */
  spoil(content: string): Promise<string>;
  stop(): Promise<void>;
}

const RELOADED = 'access control is read again';
const REFUSED = 'access control stays as it was';

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export async function startAccessFixture<Name extends string>(
  plans: Record<Name, TokenPlan>,
  settings: Record<string, string> = {},
  redisSettings: readonly string[] = [],
): Promise<AccessFixture<Name>> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-access-'));
  const file = join(folder, 'tokens.json');
  const made = Object.fromEntries(Object.keys(plans).map((name) => [name, makeToken(name.toLowerCase())]));
  const write = (wanted: Partial<Record<Name, TokenPlan>>) => {
    const tokens = Object.entries<TokenPlan | undefined>(wanted).map(([name, plan]) => ({
      id: made[name]!.id,
      sha256: made[name]!.sha256,
      device: plan!.device,
      rights: plan!.rights,
      expires: plan!.lasts === undefined ? undefined : new Date(Date.now() + plan!.lasts).toISOString(),
      note: plan!.note,
    }));
    return writeFile(file, JSON.stringify({ tokens }));
  };
  await write(plans);
  const redis = await startRedis(...redisSettings);
  const gateway = await startGatewayProcess({
    REDIS_URL: redis.url,
    ACCESS_TOKENS_FILE: file,
    ...settings,
  });
  const hangUp = async (awaited: string): Promise<Record<string, unknown>> => {
    const from = gateway.log.length;
    gateway.process.kill('SIGHUP');
    for (;;) {
      const record = gateway.log.slice(from).find(({ msg }) => msg === awaited);
      if (record !== undefined) return record;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return {
    redis,
    gateway,
    tokens: Object.fromEntries(Object.entries(made).map(([name, { token }]) => [name, token])) as Record<
      Name,
      string
    >,
    file,
    rewrite: async (wanted) => {
      await write(wanted);
      await hangUp(RELOADED);
    },
    spoil: async (content) => {
      await writeFile(file, content);
      return String((await hangUp(REFUSED)).reason);
    },
    stop: async () => {
      await gateway.stop();
      await redis.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Requests to `/graphql` over HTTP, and what they were answered. */
import { expect } from 'vitest';
import type { GatewayProcess } from './gateway-process.js';
import { startGatewayProcess } from './gateway-process.js';
import { startRedis, type TestRedis } from './redis-server.js';

export type Variables = Readonly<Record<string, unknown>>;

export interface GraphqlProblem {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: { readonly code?: string; readonly id?: string };
}

export interface GraphqlAnswer<T = Record<string, unknown>> {
  readonly data?: T | null;
  readonly errors?: readonly GraphqlProblem[];
}

/** A gateway on a Redis, and short ways to ask it. */
export interface GraphqlFixture {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
  /** The answer to a document, errors and all. */
  ask<T = Record<string, never>>(document: string, variables?: Variables): Promise<GraphqlAnswer<T>>;
  /** What a document must be answered without an error. */
  // biome-ignore lint/suspicious/noExplicitAny: each test says what it expects by looking
  data<T = any>(document: string, variables?: Variables): Promise<T>;
  /** The code and message of the one error that a document must be answered with. */
  refusal(document: string, variables?: Variables): Promise<string>;
  stop(): Promise<void>;
}

/** `gateway`'s answer to a document, sent as JSON. */
export async function askGraphql<T>(
  { http }: Pick<GatewayProcess, 'http'>,
  query: string,
  variables?: Variables,
): Promise<GraphqlAnswer<T>> {
  const response = await fetch(`${http}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const body = await response.text();
  expect([response.status, body]).toEqual([200, expect.stringMatching(/^\{/)]);
  return JSON.parse(body) as GraphqlAnswer<T>;
}

/** `code: message` of an error. */
export const problemText = ({ message, extensions }: GraphqlProblem): string =>
  `${extensions?.code ?? 'no code'}: ${message}`;

export async function startGraphqlFixture(
  settings: Record<string, string> = {},
  redisSettings: readonly string[] = [],
): Promise<GraphqlFixture> {
  const redis = await startRedis(...redisSettings);
  const gateway = await startGatewayProcess({ REDIS_URL: redis.url, ...settings });
  const ask = <T>(document: string, variables?: Variables) => askGraphql<T>(gateway, document, variables);
  return {
    redis,
    gateway,
    ask,
    data: async <T>(document: string, variables?: Variables) => {
      const { data, errors } = await ask<T>(document, variables);
      expect(errors).toBeUndefined();
      return data as T;
    },
    refusal: async (document, variables) => {
      const { errors } = await ask(document, variables);
      expect(errors).toHaveLength(1);
      return problemText(errors![0]!);
    },
    stop: async () => {
      redis.process.kill('SIGCONT');
      await gateway.stop();
      await redis.stop();
    },
  };
}

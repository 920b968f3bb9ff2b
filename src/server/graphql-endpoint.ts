/** What the three ways to GraphQL have in common: the schema, its limits, and a context for each request. */
import { type ExecutionArgs, GraphQLError, type GraphQLSchema, specifiedRules, validate } from 'graphql';
import {
  createContext,
  type GraphqlContext,
  type GraphqlParts,
  type OpenSubscription,
} from '../graphql/context.js';
import { createSchema } from '../graphql/executable.js';
import { limitDocument, parseBounded } from '../graphql/limits.js';
import { Devices } from '../streams/devices.js';
import type { GatewayContext } from './context.js';

const VALIDATION_RULES = [...specifiedRules, limitDocument];

/** A request as clients send it. */
export interface GraphqlRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
}

export class GraphqlEndpoint {
  readonly schema: GraphQLSchema = createSchema();
  readonly #parts: GraphqlParts;

  constructor({ config, control, hub, threads, counters, logger }: GatewayContext) {
    this.#parts = {
      control,
      hub,
      threads,
      logger,
      counters: counters.followers,
      devices: new Devices(control, config.REDIS_STREAM_MAXLEN),
      devicePrefixing: !config.DISABLE_MULTI_DEVICE_PREFIXING,
      allowFlush: config.ALLOW_FLUSH ?? config.REDIS_URL === undefined,
    };
  }

  /** @param subscriptions where those that the request makes are kept until they end */
  createContext(subscriptions: Set<OpenSubscription> = new Set()): GraphqlContext {
    return createContext(this.#parts, subscriptions);
  }

  /** What to execute, or what is wrong with the document. */
  prepare(
    { query, operationName, variables }: GraphqlRequest,
    subscriptions?: Set<OpenSubscription>,
  ): ExecutionArgs | readonly GraphQLError[] {
    try {
      const document = parseBounded(query);
      const errors = validate(this.schema, document, VALIDATION_RULES);
      if (errors.length > 0) return errors;
      return {
        schema: this.schema,
        document,
        operationName: operationName ?? null,
        variableValues: variables ?? null,
        contextValue: this.createContext(subscriptions),
      };
    } catch (error) {
      return [error instanceof GraphQLError ? error : new GraphQLError('the document does not parse')];
    }
  }
}

/** What the three ways to GraphQL have in common: the schema, its limits, and a context for each request. */

import { type ExecutionArgs, GraphQLError, type GraphQLSchema, getOperationAST } from 'graphql';
import type { Grant } from '../../../access/grant.js';
import { Devices } from '../../../catalog/devices.js';
import { allowsFlush } from '../../../config/finished-defaults.js';
import {
  createContext,
  type GraphqlContext,
  type GraphqlParts,
  type OpenSubscription,
  type Subscriber,
} from '../../../graphql/context.js';
import { Documents } from '../../../graphql/documents.js';
import type { EventSink } from '../../../graphql/event-sink.js';
import { createSchema } from '../../../graphql/executable.js';
import type { GatewayContext } from '../../context.js';
import type { ServerCounters } from '../../counters.js';

/** A request as clients send it. */
export interface GraphqlRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
}

export class GraphqlEndpoint {
  readonly schema: GraphQLSchema = createSchema();
  readonly documents = new Documents(this.schema);
  readonly #parts: GraphqlParts;
  readonly #operations: ServerCounters['graphqlOperations'];

  constructor({ config, control, hub, threads, describes, counters, logger }: GatewayContext) {
    this.#operations = counters.graphqlOperations;
    this.#parts = {
      control,
      hub,
      threads,
      describes,
      logger,
      counters: counters.out.graphql,
      devices: new Devices(control, config.REDIS_STREAM_MAXLEN),
      devicePrefixing: !config.DISABLE_MULTI_DEVICE_PREFIXING,
      allowFlush: allowsFlush(config),
    };
  }

  /**
   * @param subscriptions where those that the request makes are kept until they end
   * @param payer whose client they are counted for
   * @param sink where a subscription may send its results itself
   */
  createContext(
    grant: Grant,
    subscriptions: Set<OpenSubscription> = new Set(),
    payer?: Subscriber,
    sink?: EventSink,
  ): GraphqlContext {
    return createContext(this.#parts, grant, subscriptions, payer, sink);
  }

  /** Counts an operation that is about to be executed. */
  count({ document, operationName }: Pick<ExecutionArgs, 'document' | 'operationName'>): void {
    const type = getOperationAST(document, operationName)?.operation;
    if (type !== undefined) this.#operations[type]++;
  }

  /** What to execute, or what is wrong with the document. */
  prepare(
    grant: Grant,
    { query, operationName, variables }: GraphqlRequest,
    subscriptions?: Set<OpenSubscription>,
    payer?: Subscriber,
    sink?: EventSink,
  ): ExecutionArgs | readonly GraphQLError[] {
    try {
      const document = this.documents.parse(query);
      const errors = this.documents.validate(document);
      if (errors.length > 0) return errors;
      const operation = {
        schema: this.schema,
        document,
        operationName: operationName ?? null,
        variableValues: variables ?? null,
        contextValue: this.createContext(grant, subscriptions, payer, sink),
      };
      this.count(operation);
      return operation;
    } catch (error) {
      return [error instanceof GraphQLError ? error : new GraphQLError('the document does not parse')];
    }
  }
}

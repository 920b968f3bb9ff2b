/** The schema with its resolvers, whose failures are told as GraphQL errors. */
import { randomUUID } from 'node:crypto';
import {
  buildSchema,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLScalarType,
  type GraphQLSchema,
} from 'graphql';
import { asFailure } from '../protocol/errors.js';
import type { GraphqlContext } from './context.js';
import { RESOLVERS, SUBSCRIPTIONS } from './resolvers.js';
import { SCHEMA } from './schema.js';

// biome-ignore lint/suspicious/noExplicitAny: any field's source and arguments
type AnyResolver = GraphQLFieldResolver<any, GraphqlContext, any>;

/** What a client gets: a Failure or a lack of memory as it is; anything else only as an id that the log repeats. */
function tell(error: unknown, { logger }: GraphqlContext): GraphQLError {
  if (error instanceof GraphQLError) return error;
  const failure = asFailure(error);
  if (failure.code !== 'internal') {
    return new GraphQLError(failure.message, { extensions: { code: failure.code } });
  }
  const id = randomUUID();
  logger.error({ err: error, id }, 'a GraphQL field failed');
  return new GraphQLError(`the gateway failed to answer this field (error ${id})`, {
    extensions: { code: 'internal', id },
  });
}

/** Of so many failed fields each is described; the others share one error. */
const MAX_DESCRIBED = 100;

/** It has a path already: graphql-js gives others a path, and a line and column counted from the document's start. */
const MANY_FAILED = new GraphQLError(`more than ${MAX_DESCRIBED} fields failed`, { path: [] });

function guarded(resolve: AnyResolver): AnyResolver {
  return async (source, args, context, info) => {
    try {
      context.grant.check();
      return await resolve(source, args, context, info);
    } catch (error) {
      if (++context.failures.count > MAX_DESCRIBED) throw MANY_FAILED;
      throw tell(error, context);
    }
  };
}

export function createSchema(): GraphQLSchema {
  const schema = buildSchema(SCHEMA);
  for (const [type, resolvers] of Object.entries(RESOLVERS)) {
    const fields = (schema.getType(type) as GraphQLObjectType).getFields();
    for (const [name, resolve] of Object.entries(resolvers)) fields[name]!.resolve = guarded(resolve);
  }
  const events = schema.getSubscriptionType()!.getFields();
  for (const [name, { subscribe, resolve }] of Object.entries(SUBSCRIPTIONS)) {
    events[name]!.subscribe = guarded(subscribe);
    events[name]!.resolve = guarded(resolve);
  }
  // Redis counts in 64 bits; a stream of more than two billion entries is to be told, not failed.
  const int = schema.getType('Int') as GraphQLScalarType;
  int.serialize = Number;
  return schema;
}

/** What a request may ask for: bounds that no honest client meets. */
import {
  type ASTVisitor,
  type FieldNode,
  GraphQLError,
  Kind,
  parse,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { Failure } from '../errors.js';
import { holdsAtMost } from '../wire/json-bounds.js';

/** Largest request, in bytes of JSON. */
export const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_TOKENS = 2000;
const MAX_DEPTH = 10;
const MAX_ALIASES = 100;
/** Metadata may nest so deep, and lies in the request's variables. */
const MAX_JSON_LEVELS = 1010;
/** Commas and brackets of a request: what its bytes may cost to parse and to copy. */
const MAX_JSON_MARKS = 100_000;
/** Streams and devices that a request names, in all its lists and under all its aliases: two commands each. */
const MAX_NAMED = 2048;
/** Of a device's streams that are asked for one by one, for each of the devices listed. */
const MAX_SINGLE_STREAMS = 32_768;
/** Redis compares every key with it. */
const MAX_MATCH_LENGTH = 1024;

/** The JSON of a request, before it is parsed. @throws Failure `payload_too_large` */
export function checkRequestText(text: string): void {
  if (holdsAtMost(text, MAX_JSON_LEVELS, MAX_JSON_MARKS)) return;
  throw new Failure('payload_too_large', 'the request nests too deep or has too many elements');
}

/** @throws Failure `bad_parameter` */
export function checkMatch(match: string | null | undefined): void {
  if (match === null || match === undefined || match.length <= MAX_MATCH_LENGTH) return;
  throw new Failure('bad_parameter', `match may have at most ${MAX_MATCH_LENGTH} characters`);
}

/** What one request names. */
export class NameBudget {
  #named = 0;
  #single = 0;

  /** Ids of a list, or one. @throws Failure `bad_parameter` */
  name(ids: number): void {
    this.#named += ids;
    if (this.#named <= MAX_NAMED) return;
    throw new Failure('bad_parameter', `a request may name at most ${MAX_NAMED} streams and devices`);
  }

  /** A stream of a device. @throws Failure `bad_parameter` */
  nameSingle(): void {
    if (++this.#single <= MAX_SINGLE_STREAMS) return;
    const limit = `a request may ask for at most ${MAX_SINGLE_STREAMS} streams of devices one by one`;
    throw new Failure('bad_parameter', limit);
  }
}

/** `parse`, for documents of a bounded number of tokens: what validation costs grows with their square. */
export const parseBounded: typeof parse = (source, options) => {
  try {
    return parse(source, { ...options, maxTokens: MAX_TOKENS });
  } catch (error) {
    // The parser calls itself for each level, and so many tokens may be as many levels.
    throw error instanceof RangeError ? new GraphQLError('the document nests too deep') : error;
  }
};

/** A validation rule: refuses documents that nest too deep or name too many fields anew. */
export function limitDocument(context: ValidationContext): ASTVisitor {
  let aliases = 0;
  return {
    Field: (node) => {
      if (node.alias === undefined) return;
      aliases++;
      if (aliases === MAX_ALIASES + 1) {
        context.reportError(
          new GraphQLError(`a document may have at most ${MAX_ALIASES} aliases`, { nodes: node }),
        );
      }
    },
    OperationDefinition: (node) => {
      const depth = depthOf(node.selectionSet, context, new Map());
      if (depth > MAX_DEPTH) {
        context.reportError(
          new GraphQLError(`fields may nest at most ${MAX_DEPTH} deep, not ${depth}`, { nodes: node }),
        );
      }
    },
  };
}

/** Introspection nests deep and costs nothing. */
const isIntrospection = (node: FieldNode) => node.name.value.startsWith('__');

function depthOf(
  selections: SelectionSetNode | undefined,
  context: ValidationContext,
  fragments: Map<string, number>,
): number {
  let deepest = 0;
  for (const selection of selections?.selections ?? []) {
    if (selection.kind === Kind.FIELD) {
      if (!isIntrospection(selection)) {
        deepest = Math.max(deepest, 1 + depthOf(selection.selectionSet, context, fragments));
      }
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      deepest = Math.max(deepest, depthOf(selection.selectionSet, context, fragments));
    } else {
      deepest = Math.max(deepest, fragmentDepth(selection.name.value, context, fragments));
    }
  }
  return deepest;
}

function fragmentDepth(name: string, context: ValidationContext, fragments: Map<string, number>): number {
  const known = fragments.get(name);
  if (known !== undefined) return known;
  // A fragment that contains itself is refused by another rule; here it must only end.
  fragments.set(name, 0);
  const depth = depthOf(context.getFragment(name)?.selectionSet, context, fragments);
  fragments.set(name, depth);
  return depth;
}

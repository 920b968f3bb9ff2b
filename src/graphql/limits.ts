/** What a document may ask for: bounds that no honest client meets. */
import {
  type ASTVisitor,
  type FieldNode,
  GraphQLError,
  Kind,
  parse,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';

/** Largest request, in bytes of JSON. */
export const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_TOKENS = 2000;
const MAX_DEPTH = 10;
const MAX_ALIASES = 100;

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

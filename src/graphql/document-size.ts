/**
 * Bounds what a document may ask for, before any validation rule looks at it.
 *
 * A short document can mean much work: fragments that spread each other twice double with each level, graphql-js
 * compares fields of one response name in pairs, and lists of the schema multiply each other. So the document is
 * walked once as the executor would walk it, with each fragment taken in once for each place of the answer, and
 * the walk ends at the first bound that it meets.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  NoFragmentCyclesRule,
  type SelectionSetNode,
  validate,
  visit,
} from 'graphql';
import { introspectionSizes } from './introspection-sizes.js';

const MAX_DEPTH = 10;
/** Levels with introspection, whose types of types nest as deep as a client cares to know. */
const MAX_LEVELS = 50;
const MAX_ALIASES = 100;
/** Unknown names are compared with those of the schema, letter for letter. */
const MAX_NAME_LENGTH = 1000;
/** Ten times what the largest document selects that has no fragments. */
const MAX_SELECTIONS = 20_000;
/** Pairs of fields, or of fragments, at one place of the answer: graphql-js compares 100 of them in 0.3 ms. */
const MAX_PAIRS = 10_000;
/** Fields that an answer about the schema has at most; GraphiQL asks for less than half of it. */
const MAX_INTROSPECTED = 250_000;

/** @returns the first bound that the document exceeds, or its fragments that contain themselves; mostly nothing */
export function checkDocumentSize(document: DocumentNode, schema: GraphQLSchema): readonly GraphQLError[] {
  if (hasLongName(document)) {
    return [new GraphQLError(`a name in a document may have at most ${MAX_NAME_LENGTH} characters`)];
  }
  const outline = new Outline(document);
  const { depth, aliases } = outline;
  if (aliases > MAX_ALIASES) return [new GraphQLError(`a document may have at most ${MAX_ALIASES} aliases`)];
  if (depth > MAX_DEPTH) {
    return [new GraphQLError(`fields may nest at most ${MAX_DEPTH} deep, not ${depth}`)];
  }
  if (outline.hasCycle) return validate(schema, document, [NoFragmentCyclesRule]);
  try {
    const walk = new AnswerWalk(outline.fragments, introspectionSizes(schema));
    for (const definition of document.definitions) {
      // Fragments by themselves, too: graphql-js validates those that nobody spreads.
      if ('selectionSet' in definition) walk.enter([definition.selectionSet], 0, 0);
    }
    return [];
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

function hasLongName(document: DocumentNode): boolean {
  let longest = 0;
  visit(document, {
    Name: ({ value }) => {
      longest = Math.max(longest, value.length);
    },
  });
  return longest > MAX_NAME_LENGTH;
}

/** Introspection nests deep. */
const isIntrospection = (node: FieldNode) => node.name.value.startsWith('__');

/** What a document says by its text: each of its selections is looked at once. */
class Outline {
  readonly fragments = new Map<string, FragmentDefinitionNode>();
  aliases = 0;
  hasCycle = false;
  /** How deep fields nest, introspection aside. */
  readonly depth: number;
  readonly #depths = new Map<FragmentDefinitionNode, number | undefined>();

  constructor({ definitions }: DocumentNode) {
    for (const definition of definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.fragments.set(definition.name.value, definition);
    }
    let depth = 0;
    for (const definition of definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#depthOfFragment(definition);
      else if ('selectionSet' in definition) {
        depth = Math.max(depth, this.#depthOf(definition.selectionSet, false));
      }
    }
    this.depth = depth;
  }

  #depthOf(set: SelectionSetNode | undefined, isIntrospected: boolean): number {
    let deepest = 0;
    for (const selection of set?.selections ?? []) {
      let depth: number;
      if (selection.kind === Kind.FIELD) {
        if (selection.alias !== undefined) this.aliases++;
        const isAbout = isIntrospected || isIntrospection(selection);
        depth = this.#depthOf(selection.selectionSet, isAbout) + (isAbout ? 0 : 1);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        depth = this.#depthOf(selection.selectionSet, isIntrospected);
      } else {
        const inner = this.#depthOfFragment(this.fragments.get(selection.name.value));
        depth = isIntrospected ? 0 : inner;
      }
      deepest = Math.max(deepest, depth);
    }
    return deepest;
  }

  #depthOfFragment(fragment: FragmentDefinitionNode | undefined): number {
    if (fragment === undefined) return 0;
    const known = this.#depths.get(fragment);
    if (known !== undefined) return known;
    if (this.#depths.has(fragment)) {
      this.hasCycle = true;
      return 0;
    }
    this.#depths.set(fragment, undefined);
    const depth = this.#depthOf(fragment.selectionSet, false);
    this.#depths.set(fragment, depth);
    return depth;
  }
}

/** A walk through the answer that a document asks for. */
class AnswerWalk {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #sizes: ReadonlyMap<string, number>;
  #selections = 0;
  #pairs = 0;
  #introspected = 0;

  /** @param fragments without cycles @param sizes how long lists of the schema are, by their fields' names */
  constructor(fragments: ReadonlyMap<string, FragmentDefinitionNode>, sizes: ReadonlyMap<string, number>) {
    this.#fragments = fragments;
    this.#sizes = sizes;
  }

  /**
   * Walks one place of the answer and all below it.
   * @param sets what is selected there, together
   * @param copies how many answers about the schema there are of it; 0 for all that is not about the schema
   * @throws GraphQLError
   */
  enter(sets: readonly SelectionSetNode[], level: number, copies: number): void {
    if (level > MAX_LEVELS) throw new GraphQLError(`fields may nest at most ${MAX_LEVELS} deep`);
    const fields = new Map<string, FieldNode[]>();
    const spreads = this.#collect(sets, fields);
    this.#addPairs(spreads);
    for (const nodes of fields.values()) this.#addPairs(nodes.length);
    this.#introspected += fields.size * copies;
    if (this.#introspected > MAX_INTROSPECTED) {
      throw new GraphQLError(`a document may ask for at most ${MAX_INTROSPECTED} fields of the schema`);
    }
    for (const nodes of fields.values()) {
      const inner = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
      if (inner.length > 0) this.enter(inner, level + 1, this.#copiesBelow(nodes, copies));
    }
  }

  #copiesBelow([node]: readonly FieldNode[], copies: number): number {
    if (copies === 0) return isIntrospection(node!) ? 1 : 0;
    return copies * (this.#sizes.get(node!.name.value) ?? 1);
  }

  /** @returns how many spreads there are */
  #collect(sets: readonly SelectionSetNode[], fields: Map<string, FieldNode[]>): number {
    let spreads = 0;
    const visited = new Set<string>();
    const collect = ({ selections }: SelectionSetNode) => {
      this.#selections += selections.length;
      if (this.#selections > MAX_SELECTIONS) {
        const refusal = `a document may select at most ${MAX_SELECTIONS} fields, those of its fragments included`;
        throw new GraphQLError(refusal);
      }
      for (const selection of selections) {
        if (selection.kind === Kind.FIELD) {
          const name = (selection.alias ?? selection.name).value;
          const same = fields.get(name);
          if (same === undefined) fields.set(name, [selection]);
          else same.push(selection);
        } else if (selection.kind === Kind.INLINE_FRAGMENT) {
          collect(selection.selectionSet);
        } else {
          spreads++;
          const name = selection.name.value;
          const fragment = this.#fragments.get(name);
          if (fragment === undefined || visited.has(name)) continue;
          visited.add(name);
          collect(fragment.selectionSet);
        }
      }
    };
    for (const set of sets) collect(set);
    return spreads;
  }

  #addPairs(count: number): void {
    this.#pairs += (count * (count - 1)) / 2;
    if (this.#pairs <= MAX_PAIRS) return;
    throw new GraphQLError(
      'the document selects the same field, or spreads fragments, too often at one place',
    );
  }
}

/** What the selected fields of a Stream need to know, so that no more is read. */
import {
  type FieldNode,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getDirectiveValues,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import type { DescribeRequest, EntryForm } from '../../workers/stream-description.js';

export interface RequestedStreamFields extends Omit<DescribeRequest, 'keys'> {
  /** Under how many names the answer has the same thing, at most. */
  readonly copies: number;
  /** How many fields each stream has in the answer. */
  readonly fields: number;
  /** How many of those are its id. */
  readonly ids: number;
  /** The same text where the same is asked of Redis. */
  readonly kind: string;
}

/** Fields that name a stream or come with every request. */
const IDS = ['id', 'streamId', 'sid'];
const FREE = new Set([...IDS, '__typename']);
const ENTRY_FORMS: Record<string, { readonly place: 'first' | 'last'; readonly form: EntryForm }> = {
  firstEntryData: { place: 'first', form: 'data' },
  firstEntryString: { place: 'first', form: 'string' },
  firstEntryJson: { place: 'first', form: 'json' },
  lastEntryData: { place: 'last', form: 'data' },
  lastEntryString: { place: 'last', form: 'string' },
  lastEntryJson: { place: 'last', form: 'json' },
};

/** Fields that need no more than the newest entry, if that is wanted. */
const NEWEST = new Set([
  ...FREE,
  'meta',
  ...['lastEntryId', 'lastEntryTime', 'lastEntryData', 'lastEntryString', 'lastEntryJson'],
]);

interface SelectedFields {
  /** Under how many names each is selected. */
  readonly fields: Map<string, number>;
  /** Whether another request with the same document may select others. */
  readonly isConditional: boolean;
}

/** The fields that are selected below the one being resolved, through fragments, and under how many names each. */
export function selectedFields(info: GraphQLResolveInfo): Map<string, number> {
  return collectFields(info).fields;
}

function collectFields(info: GraphQLResolveInfo): SelectedFields {
  const names = new Map<string, Set<string>>();
  let isConditional = false;
  /** Fragments add nothing where they are spread again. */
  const visited = new Set<string>();
  const isIncluded = (node: FieldNode | SelectionSetNode['selections'][number]) => {
    if (node.directives === undefined || node.directives.length === 0) return true;
    isConditional = true;
    return (
      getDirectiveValues(GraphQLSkipDirective, node, info.variableValues)?.if !== true &&
      getDirectiveValues(GraphQLIncludeDirective, node, info.variableValues)?.if !== false
    );
  };
  const collect = (selections: SelectionSetNode | undefined) => {
    for (const selection of selections?.selections ?? []) {
      if (!isIncluded(selection)) continue;
      if (selection.kind === Kind.FIELD) {
        const field = selection.name.value;
        const aliases = names.get(field) ?? new Set();
        names.set(field, aliases.add(selection.alias?.value ?? field));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
      else if (!visited.has(selection.name.value)) {
        visited.add(selection.name.value);
        collect(info.fragments[selection.name.value]?.selectionSet);
      }
    }
  };
  for (const node of info.fieldNodes) collect(node.selectionSet);
  const fields = new Map([...names].map(([name, aliases]) => [name, aliases.size]));
  return { fields, isConditional };
}

/** By a field of a document, which `Documents` gives to all requests that send its text; else by a request's fields. */
const known = new WeakMap<FieldNode | GraphQLResolveInfo['fieldNodes'], RequestedStreamFields>();

/** Worked out once for a request's fields, however many parents they have: they are the same array then. */
export function streamWants(info: GraphQLResolveInfo): RequestedStreamFields {
  const { fieldNodes } = info;
  const [node] = fieldNodes;
  const wants = known.get(fieldNodes) ?? (fieldNodes.length === 1 ? known.get(node!) : undefined);
  if (wants !== undefined) return wants;
  const { fields, isConditional } = collectFields(info);
  const read = readWants(fields);
  known.set(fieldNodes.length === 1 && !isConditional ? node! : fieldNodes, read);
  return read;
}

function readWants(fields: ReadonlyMap<string, number>): RequestedStreamFields {
  const first: EntryForm[] = [];
  const last: EntryForm[] = [];
  let needed: DescribeRequest['info'] = 'none';
  let copies = 1;
  for (const [name, aliases] of fields) {
    const entry = ENTRY_FORMS[name];
    if (entry !== undefined) (entry.place === 'first' ? first : last).push(entry.form);
    if (entry !== undefined || name === 'meta') copies = Math.max(copies, aliases);
    if (FREE.has(name) || name === 'meta') continue;
    if (name === 'length' && needed === 'none') needed = 'length';
    else if (name !== 'length') needed = 'all';
  }
  const names = [...fields.keys()].filter((name) => !NEWEST.has(name));
  if (last.length > 0 && names.length === 0) needed = 'newest';
  else if (first.length + last.length === 0 && needed === 'all' && names.every((name) => name === 'length')) {
    needed = 'newest-id';
  }
  const request = { info: needed, first: first.sort(), last: last.sort(), meta: fields.has('meta') };
  return {
    ...request,
    copies,
    fields: countFields(fields),
    ids: IDS.reduce((sum, name) => sum + (fields.get(name) ?? 0), 0),
    kind: JSON.stringify(request),
  };
}

/** How many fields an object has in the answer, under all their names. */
export function countFields(fields: ReadonlyMap<string, number>): number {
  return [...fields.values()].reduce((sum, aliases) => sum + aliases, 0);
}

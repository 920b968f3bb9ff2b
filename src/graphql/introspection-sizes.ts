/** How long the lists are that a schema gives of itself. */
import {
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

const known = new WeakMap<GraphQLSchema, ReadonlyMap<string, number>>();

/** The greatest length of each list of an introspection type, by the name of its field. */
export function introspectionSizes(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const sizes = known.get(schema) ?? measure(schema);
  known.set(schema, sizes);
  return sizes;
}

function measure(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  const note = (name: string, size: number) => sizes.set(name, Math.max(size, sizes.get(name) ?? 1));
  const types = Object.values(schema.getTypeMap());
  note('types', types.length);
  note('directives', schema.getDirectives().length);
  for (const { args, locations } of schema.getDirectives()) {
    note('args', args.length);
    note('locations', locations.length);
  }
  for (const type of types) {
    if (isObjectType(type) || isInterfaceType(type)) {
      const fields = Object.values(type.getFields());
      note('fields', fields.length);
      note('interfaces', type.getInterfaces().length);
      for (const { args } of fields) note('args', args.length);
    } else if (isInputObjectType(type)) note('inputFields', Object.keys(type.getFields()).length);
    else if (isEnumType(type)) note('enumValues', type.getValues().length);
    if (isAbstractType(type)) note('possibleTypes', schema.getPossibleTypes(type).length);
  }
  return sizes;
}

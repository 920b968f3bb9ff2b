/** A schema in a few words: `integer, 1 to 1000000`. */
import type { Schema } from '../../openapi/model.js';

/** What its type is called; of a reference the name it leads to. */
export function typeText(schema: Schema): string {
  const { type, enum: values, const: only, items, anyOf, $ref } = schema;
  if (typeof $ref === 'string') return $ref.slice($ref.lastIndexOf('/') + 1);
  if (only !== undefined) return String(only);
  if (Array.isArray(values)) return values.join(' | ');
  if (type === 'array') {
    const each = items === undefined ? 'any' : typeText(items as Schema);
    return each.includes(' | ') ? `(${each})[]` : `${each}[]`;
  }
  if (Array.isArray(anyOf)) return anyOf.map((each) => typeText(each as Schema)).join(' | ');
  if (Array.isArray(type)) return type.join(' | ');
  return typeof type === 'string' ? type : 'bytes';
}

/** Digits in threes, which do not part at the end of a line. */
const grouped = (number: unknown) => String(number).replace(/\B(?=(?:\d{3})+$)/g, '\u202f');

/** The range of a number; '' where it has none. */
function rangeText({ minimum, maximum }: Schema): string {
  if (minimum === undefined && maximum === undefined) return '';
  if (maximum === undefined) return `${grouped(minimum)} or more`;
  return `${grouped(minimum)} to ${grouped(maximum)}`;
}

/** Type and range of a parameter. */
export const parameterText = (schema: Schema) =>
  [typeText(schema), rangeText(schema)].filter(Boolean).join(', ');

/** As it would be written in a query; undefined where there is no default. */
export function defaultText(schema: Schema): string | undefined {
  if (schema.default === undefined) return undefined;
  return schema.default === '' ? 'empty' : String(schema.default);
}

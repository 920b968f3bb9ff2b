/** The schemas that bodies are made of, each a table of its members, and links that lead to it. */
import type { Schema } from '../../openapi/model.js';
import { element, table } from './elements.js';
import { inline } from './markdown.js';
import { typeText } from './schema-text.js';

/** A schema in its own words, or by its name, which leads to it. */
export function schemaText(schema: Schema): HTMLElement {
  if (typeof schema.$ref === 'string') {
    const name = typeText(schema);
    return element('a', { href: `#schema-${name}`, class: 'type' }, name);
  }
  return typeof schema.description === 'string'
    ? inline(schema.description)
    : element('span', {}, typeText(schema));
}

function memberTable(properties: Readonly<Record<string, Schema>>): HTMLElement {
  return table(
    ['member', 'type', 'meaning'],
    Object.entries(properties).map(([name, member]) => [
      element('code', {}, name),
      typeText(member),
      inline(typeof member.description === 'string' ? member.description : ''),
    ]),
  );
}

function schemaView(name: string, schema: Schema): HTMLElement {
  const { description, properties } = schema;
  const hasMembers = typeof properties === 'object' && properties !== null;
  return element(
    'div',
    { id: `schema-${name}` },
    element('h3', {}, name),
    hasMembers ? undefined : element('p', {}, element('code', {}, String(schema.pattern ?? schema.type))),
    typeof description === 'string' ? element('p', {}, inline(description)) : undefined,
    hasMembers ? memberTable(properties as Readonly<Record<string, Schema>>) : undefined,
  );
}

export function schemasView(schemas: Readonly<Record<string, Schema>>): HTMLElement {
  return element(
    'section',
    { id: 'bodies' },
    element('h2', {}, 'Bodies'),
    ...Object.entries(schemas).map(([name, schema]) => schemaView(name, schema)),
  );
}

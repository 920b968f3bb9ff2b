/** One operation: closed it is a line, opened all that is known of it. */
import type { Operation, Parameter, ResponseObject } from '../../openapi/model.js';
import { element, table } from './elements.js';
import { failureTable } from './failure-view.js';
import { inline, markdown } from './markdown.js';
import { samples } from './samples.js';
import { defaultText, parameterText } from './schema-text.js';
import { schemaText } from './schema-view.js';

const heading = (text: string) => element('h4', {}, text);
const code = (text: string) => element('code', {}, text);

/** How the address is reached: some answer plain requests and WebSockets alike. */
export function methodNames(method: string, operation: Operation): string[] {
  const isSocket = operation['x-websocket'] !== undefined;
  return [
    ...(isSocket && !('200' in operation.responses) ? [] : [method.toUpperCase()]),
    ...(isSocket ? ['WS'] : []),
  ];
}

function parameterTable(parameters: readonly Parameter[]): HTMLElement {
  return table(
    ['name', 'type', 'default', 'meaning'],
    parameters.map(({ name, in: place, schema, description }) => {
      const fallback = defaultText(schema);
      return [
        code(place === 'path' ? `{${name}}` : name),
        place === 'header' ? `${parameterText(schema)}, header` : parameterText(schema),
        fallback === undefined ? (place === 'path' ? 'required' : '') : code(fallback),
        inline(description),
      ];
    }),
  );
}

function responseView(
  status: string,
  { description, headers = {}, content = {} }: ResponseObject,
): HTMLElement {
  const kind = status.startsWith('1') || status.startsWith('2') ? 'good' : 'bad';
  return element(
    'div',
    { class: 'response' },
    element('span', { class: `status ${kind}` }, status),
    element(
      'div',
      {},
      markdown(description),
      ...Object.entries(headers).map(([name, header]) =>
        element('p', { class: 'header' }, code(name), ' ', inline(header.description)),
      ),
      ...(kind === 'good' ? Object.entries(content) : []).map(([type, { schema = {} }]) =>
        element('p', { class: 'media' }, code(type), ' ', schemaText(schema)),
      ),
    ),
  );
}

/** The codes of an answer that only tells of failures; undefined where there is more to it. */
function failureCodes({ content = {} }: ResponseObject): readonly string[] | undefined {
  const properties = content['application/json']?.schema?.properties as
    | { readonly code?: { readonly enum?: readonly string[] } }
    | undefined;
  return properties?.code?.enum;
}

function answersView(responses: Operation['responses']): HTMLElement[] {
  const all = Object.entries(responses);
  const refusals = all.flatMap(([status, response]) => {
    const codes = failureCodes(response);
    return codes === undefined ? [] : [[status, codes] as const];
  });
  return [
    ...all
      .filter(([, response]) => failureCodes(response) === undefined)
      .map(([status, response]) => responseView(status, response)),
    failureTable('refused', Object.fromEntries(refusals)),
  ];
}

function bodyOf(operation: Operation): HTMLElement {
  const { description, parameters = [], requestBody, responses } = operation;
  const socket = operation['x-websocket'];
  const sources = operation['x-codeSamples'] ?? [];
  return element(
    'div',
    { class: 'operation-body' },
    description === undefined ? undefined : markdown(description),
    ...(sources.length > 0 ? [samples(sources)] : []),
    ...(parameters.length > 0 ? [heading('Parameters'), parameterTable(parameters)] : []),
    ...(requestBody === undefined
      ? []
      : [
          heading('Body'),
          markdown(requestBody.description),
          ...Object.entries(requestBody.content).map(([type, { schema = {} }]) =>
            element('p', { class: 'media' }, code(type), ' ', schemaText(schema)),
          ),
        ]),
    heading('Answers'),
    ...answersView(responses),
    ...(socket === undefined
      ? []
      : [heading('The WebSocket is closed with'), failureTable('close', socket.closeCodes)]),
  );
}

/** @returns an element whose body is made when it is first opened */
export function operationView(path: string, method: string, operation: Operation): HTMLDetailsElement {
  const view = element(
    'details',
    { id: operation.operationId, class: 'operation' },
    element(
      'summary',
      {},
      element(
        'span',
        { class: 'methods' },
        ...methodNames(method, operation).map((name) => element('span', { class: `method ${name}` }, name)),
      ),
      element('code', { class: 'path' }, path),
      element('span', { class: 'summary' }, operation.summary),
    ),
  );
  view.addEventListener('toggle', () => view.open && view.append(bodyOf(operation)), { once: true });
  return view;
}

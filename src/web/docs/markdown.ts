/**
 * As much of Markdown as the description is written in: paragraphs, lists, tables, `code`, **bold** and
 * links. It becomes elements, never HTML text.
 */
import { element, table } from './elements.js';

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)]+)\)/g;
/** Anything else is shown as it is written. */
const SAFE_ADDRESS = /^(?:https:\/\/|\/|#)/;

function* inlineNodes(text: string): Generator<Node | string> {
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, label, address] = match;
    yield text.slice(end, match.index);
    end = match.index + whole.length;
    if (code !== undefined) yield element('code', {}, code);
    else if (bold !== undefined) yield element('strong', {}, bold);
    else if (SAFE_ADDRESS.test(address!)) yield element('a', { href: address, rel: 'noreferrer' }, label);
    else yield whole;
  }
  yield text.slice(end);
}

/** Text without blocks, such as a cell's. */
export function inline(text: string): HTMLElement {
  return element('span', {}, ...inlineNodes(text));
}

const cellsOf = (row: string) =>
  row
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim());

function block(text: string): HTMLElement {
  const lines = text.split('\n');
  if (lines.every((line) => line.startsWith('|'))) {
    const [head, _rule, ...rows] = lines;
    const columns = cellsOf(head!).map((name) => name.replaceAll('`', ''));
    return table(
      columns,
      rows.map((row) => cellsOf(row).map(inline)),
    );
  }
  if (lines.every((line) => line.startsWith('- '))) {
    return element('ul', {}, ...lines.map((line) => element('li', {}, ...inlineNodes(line.slice(2)))));
  }
  return element('p', {}, ...inlineNodes(text));
}

/** Blocks, which empty lines divide. */
export function markdown(text: string): HTMLElement {
  return element('div', { class: 'prose' }, ...text.split(/\n{2,}/).map(block));
}

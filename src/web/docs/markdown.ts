/**
 * As much of Markdown as the documents and the API description are written in: headings, paragraphs, lists,
 * tables, blocks of code, images, `code`, **bold**, *emphasis* and links. HTML comments are left out. It becomes
 * elements, never HTML text.
 */
import { codeBlock, here } from './code-block.js';
import { element, table } from './elements.js';
import { slug } from './slug.js';

/** Where links and images lead; undefined: nowhere, only their words are shown. */
export interface Addresses {
  readonly link: (address: string) => string | undefined;
  readonly image: (address: string) => string | undefined;
}

const SAFE_ADDRESS = /^(?:https?:\/\/|\/|#)/;
const AS_WRITTEN: Addresses = {
  link: (address) => (SAFE_ADDRESS.test(address) ? address : undefined),
  image: () => undefined,
};

const LABEL = '((?:`[^`]*`|[^\\]`])*)';
const INLINE = new RegExp(
  [
    '`([^`]+)`',
    '\\*\\*((?:`[^`]*`|[^*`])+)\\*\\*',
    '\\*([^*\\s][^*]*)\\*',
    `!\\[${LABEL}\\]\\(([^)]+)\\)`,
    `\\[${LABEL}\\]\\(([^)]+)\\)`,
    '(https?:\\/\\/[^\\s)>,]*[\\w/])',
  ].join('|'),
  'g',
);

function* inlineNodes(text: string, addresses: Addresses): Generator<Node | string> {
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    yield text.slice(end, match.index);
    end = match.index + match[0].length;
    yield* markedNodes(match, addresses);
  }
  yield text.slice(end);
}

function* markedNodes(match: RegExpMatchArray, addresses: Addresses): Generator<Node | string> {
  const [, code, bold, emphasis, alt, image, label, address, bare] = match;
  if (code !== undefined) yield element('code', {}, code);
  else if (bold !== undefined) yield element('strong', {}, ...inlineNodes(bold, addresses));
  else if (emphasis !== undefined) yield element('em', {}, ...inlineNodes(emphasis, addresses));
  else if (image !== undefined) {
    const src = addresses.image(image);
    yield src === undefined ? element('em', {}, alt) : element('img', { src, alt });
  } else if (address !== undefined) {
    const href = addresses.link(address);
    if (href === undefined) yield* inlineNodes(label!, addresses);
    else yield element('a', { href, rel: 'noreferrer' }, ...inlineNodes(label!, addresses));
  } else yield element('a', { href: here(bare!), rel: 'noreferrer' }, here(bare!));
}

/** Text without blocks, such as a cell's. */
export function inline(text: string, addresses: Addresses = AS_WRITTEN): HTMLElement {
  return element('span', {}, ...inlineNodes(text, addresses));
}

const HEADING = /^(#{1,6}) +(.+)$/;
const FENCE = /^```/;
const ITEM = /^(- |\d+\. )/;
const ROW = /^\|/;

const isBlank = (line: string | undefined) => line === undefined || line.trim() === '';
const beginsBlock = (line: string) => [HEADING, FENCE, ITEM, ROW].some((form) => form.test(line));

const cellsOf = (row: string) =>
  row
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.replaceAll('\\|', '|').trim());

/** Takes lines from the front, block by block. */
class Blocks {
  readonly #lines: string[];
  readonly #addresses: Addresses;

  constructor(text: string, addresses: Addresses) {
    this.#lines = text.replaceAll(/^ *<!--(?:(?!-->)[\s\S])*-->\n?/gm, '').split('\n');
    this.#addresses = addresses;
  }

  *all(): Generator<HTMLElement> {
    while (this.#lines.length > 0) {
      if (isBlank(this.#lines[0])) this.#lines.shift();
      else yield this.#next(this.#lines[0]!);
    }
  }

  #next(line: string): HTMLElement {
    const heading = HEADING.exec(line);
    if (heading !== null) {
      this.#lines.shift();
      return this.#heading(heading[1]!.length, heading[2]!);
    }
    if (FENCE.test(line)) return this.#code();
    if (ROW.test(line)) return this.#table();
    if (ITEM.test(line)) return this.#list(/^\d/.test(line));
    return this.#paragraph();
  }

  /** Lines from the front as long as they fit. */
  #take(fits: (line: string) => boolean): string[] {
    const end = this.#lines.findIndex((line) => !fits(line));
    return this.#lines.splice(0, end < 0 ? this.#lines.length : end);
  }

  #inline = (text: string) => inlineNodes(text, this.#addresses);

  #heading(level: number, text: string): HTMLElement {
    const name = `h${level}` as 'h1' | 'h2' | 'h3' | 'h4' | 'h5' | 'h6';
    return element(name, { 'data-anchor': slug(text) }, ...this.#inline(text));
  }

  #code(): HTMLElement {
    this.#lines.shift();
    const source = this.#take((line) => !FENCE.test(line));
    this.#lines.shift();
    return codeBlock(source.join('\n'));
  }

  #table(): HTMLElement {
    const [head, _rule, ...rows] = this.#take((line) => ROW.test(line));
    const columns = cellsOf(head!).map((name) => name.replaceAll('`', ''));
    return table(
      columns,
      rows.map((row) => cellsOf(row).map((cell) => inline(cell, this.#addresses))),
    );
  }

  #list(isOrdered: boolean): HTMLElement {
    const items: HTMLElement[] = [];
    while (ITEM.test(this.#lines[0] ?? '') && /^\d/.test(this.#lines[0]!) === isOrdered) {
      const [mark] = ITEM.exec(this.#lines[0]!)!;
      this.#lines[0] = ' '.repeat(mark.length) + this.#lines[0]!.slice(mark.length);
      const isInside = (line: string) => line.startsWith(' '.repeat(mark.length)) || line === '';
      const inner = this.#take(isInside).map((line) => line.slice(mark.length));
      items.push(element('li', {}, ...new Blocks(inner.join('\n'), this.#addresses).#contents()));
    }
    return isOrdered ? element('ol', {}, ...items) : element('ul', {}, ...items);
  }

  /** An item that is one paragraph is its words alone. */
  #contents(): (Node | string)[] {
    const blocks = [...this.all()];
    const [first] = blocks;
    return first?.localName === 'p' ? [...first.childNodes, ...blocks.slice(1)] : blocks;
  }

  #paragraph(): HTMLElement {
    const first = this.#lines.shift()!;
    const others = this.#take((line) => !isBlank(line) && !beginsBlock(line));
    return element('p', {}, ...this.#inline([first, ...others].join('\n')));
  }
}

export function markdown(text: string, addresses: Addresses = AS_WRITTEN): HTMLElement {
  return element('div', { class: 'prose' }, ...new Blocks(text, addresses).all());
}

/** The small changes to a source file that some test should notice. */
import { parseSync } from 'vite';
import { childrenOf, type SyntaxNode as Node } from '../support/syntax.js';

/** One changed expression or statement. */
export interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
};
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  ...COMPARISONS,
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '<<': ['>>'],
  '>>': ['<<'],
  '>>>': ['<<'],
  '&': ['|'],
  '|': ['&'],
  '&&': ['||'],
  '||': ['&&'],
  '+=': ['-='],
  '-=': ['+='],
  '++': ['--'],
  '--': ['++'],
};

const isText = (node: Node): boolean =>
  node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string');

/** Whether a value is true or false, or 0, which serves as false: undefined in its place says nothing more. */
function isTruth(node: Node): boolean {
  if (node.type === 'Literal') return node.value === 0 || typeof node.value === 'boolean';
  return (
    (node.type === 'BinaryExpression' && node.operator in COMPARISONS) ||
    (node.type === 'UnaryExpression' && node.operator === '!')
  );
}

export class MutantFinder {
  readonly #text: string;
  readonly #found = new Map<string, Mutant>();

  constructor(text: string) {
    this.#text = text;
  }

  find(): Mutant[] {
    this.#visit(parseSync('source.ts', this.#text).program);
    return [...this.#found.values()].sort((a, b) => a.start - b.start);
  }

  #visit(node: Node): void {
    // Types are gone when the code runs.
    if (/^TS(?:Type|Interface|Literal)/.test(node.type)) return;
    this.#look(node);
    for (const child of childrenOf(node)) this.#visit(child);
  }

  #look(node: Node): void {
    switch (node.type) {
      case 'IfStatement':
      case 'ConditionalExpression':
        this.#replace(node.test, 'true', 'false');
        break;
      case 'WhileStatement':
      case 'ForStatement':
        // One that is always true only ends by the time limit.
        if (node.test) this.#replace(node.test, 'false');
        break;
      case 'BinaryExpression':
        if (node.operator === '+' && (isText(node.left) || isText(node.right))) break;
        this.#swap(node.operator, node.left.end, node.right.start);
        if (node.operator in COMPARISONS) this.#replace(node, 'true', 'false');
        break;
      case 'LogicalExpression':
        this.#swap(node.operator, node.left.end, node.right.start);
        if (node.operator === '??') this.#replace(node, this.#of(node.left), this.#of(node.right));
        break;
      case 'AssignmentExpression':
        this.#swap(node.operator, node.left.end, node.right.start);
        break;
      case 'UpdateExpression':
        if (node.prefix) this.#swap(node.operator, node.start, node.argument.start);
        else this.#swap(node.operator, node.argument.end, node.end);
        break;
      case 'UnaryExpression':
        if (node.operator === '!') this.#replace(node, this.#of(node.argument));
        break;
      case 'Literal':
        if (typeof node.value === 'boolean') this.#replace(node, String(!node.value));
        break;
      case 'ExpressionStatement':
        if (node.expression.type !== 'Literal') this.#replace(node, ';');
        break;
      case 'ThrowStatement':
      case 'BreakStatement':
      case 'ContinueStatement':
        this.#replace(node, ';');
        break;
      case 'ReturnStatement':
        if (node.argument === null) this.#replace(node, ';');
        else if (!isTruth(node.argument)) this.#replace(node.argument, 'undefined');
        break;
      case 'ArrowFunctionExpression':
        if (node.body.type !== 'BlockStatement' && !isTruth(node.body)) this.#replace(node.body, 'undefined');
        break;
    }
  }

  #of({ start, end }: Node): string {
    return this.#text.slice(start, end);
  }

  #swap(operator: string, from: number, to: number): void {
    const start = this.#text.indexOf(operator, from);
    if (start < 0 || start >= to) return;
    for (const other of OPERATORS[operator] ?? []) {
      this.#replace({ start, end: start + operator.length }, other);
    }
  }

  #replace(
    { start, end }: { readonly start: number; readonly end: number },
    ...replacements: string[]
  ): void {
    for (const replacement of replacements) {
      // As `return undefined;`
      if (this.#text.slice(start, end) === replacement) continue;
      this.#found.set(`${start} ${end} ${replacement}`, { start, end, replacement });
    }
  }
}

export const apply = (text: string, { start, end, replacement }: Mutant): string =>
  `${text.slice(0, start)}${replacement}${text.slice(end)}`;

/** Where a mutant is and what it changes, on one line. */
export function describeMutant(text: string, { start, end, replacement }: Mutant): string {
  const line = text.slice(0, start).split('\n').length;
  const brief = (code: string) => {
    const flat = code.replaceAll(/\s+/g, ' ');
    return flat.length <= 70 ? flat : `${flat.slice(0, 69)}…`;
  };
  // An operator alone says little.
  const lineEnd = text.indexOf('\n', end);
  const around =
    end - start <= 3 ? `   in ${brief(text.slice(text.lastIndexOf('\n', start) + 1, lineEnd).trim())}` : '';
  return `${line}: ${brief(text.slice(start, end))} → ${replacement === ';' ? '(removed)' : brief(replacement)}${around}`;
}

/**
 * The snippets of a page of documentation. HTML comments right above a snippet say how it is run; readers do not
 * see them. CONTRIBUTING.md describes them.
 *
 *     <!-- not run: needs Docker -->          it is not run, for that reason
 *     <!-- runs on -->                        it does not end by itself; later snippets run beside it
 *     <!-- file: camera.py -->                it is saved under that name, and other snippets run it
 *     <!-- first: const frame = … -->         code that runs before it: what its reader brings along
 *     <!-- then: await follow('cam') -->      code that runs after it
 *
 * A block of `text` right behind a snippet is what the snippet prints.
 */

export type SnippetLanguage = 'sh' | 'js' | 'python' | 'html';

export interface Snippet {
  /** Of the fence, from 1. */
  readonly line: number;
  readonly language: SnippetLanguage;
  readonly code: string;
  readonly notRun: string | undefined;
  readonly runsOn: boolean;
  readonly file: string | undefined;
  readonly first: string;
  readonly last: string;
  /** Undefined: whatever it prints is fine. */
  readonly prints: string | undefined;
}

const LANGUAGES: Readonly<Record<string, SnippetLanguage>> = {
  sh: 'sh',
  bash: 'sh',
  shell: 'sh',
  js: 'js',
  mjs: 'js',
  javascript: 'js',
  py: 'python',
  python: 'python',
  html: 'html',
};
/** What is not run: data, output, settings of other programs. */
const OTHERS = [
  'text',
  'mermaid',
  'json',
  'graphql',
  'yaml',
  'ini',
  'nginx',
  'promql',
  'ts',
  'dockerfile',
  'caddyfile',
];
const OUTPUT = 'text';

const FENCE = /^([ ]*)```([^\s`]*)[^\n]*\n([\s\S]*?)^[ ]*```[ ]*$/gm;
const MARKERS = /(?:<!--(?:(?!-->)[\s\S])*-->\s*)+$/;
const MARKER = /<!--\s*(not run|runs on|file|first|then)(?::\s*((?:(?!-->)[\s\S])*?))?\s*-->/g;

/** Where blocks begin that are neither run nor known to be data, and what they call themselves. */
export function unknownBlocks(text: string): string[] {
  return [...text.matchAll(FENCE)]
    .filter(([, , name]) => LANGUAGES[name!] === undefined && !OTHERS.includes(name!))
    .map(({ 2: name, index }) => `line ${lineAt(text, index)}: '${name}'`);
}

const lineAt = (text: string, index: number) => text.slice(0, index).split('\n').length;

export function readSnippets(text: string): Snippet[] {
  const blocks = [...text.matchAll(FENCE)];
  return blocks.flatMap((block, index) => {
    const [whole, indent, name, body] = block as unknown as [string, string, string, string];
    const language = LANGUAGES[name];
    if (language === undefined) return [];
    const markers = readMarkers(text.slice(0, block.index));
    const next = blocks[index + 1];
    const between = next && text.slice(block.index + whole.length, next.index);
    return {
      line: lineAt(text, block.index),
      language,
      code: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      notRun: markers.get('not run'),
      runsOn: markers.has('runs on'),
      file: markers.get('file'),
      first: markers.get('first') ?? '',
      last: markers.get('then') ?? '',
      prints: next?.[2] === OUTPUT && between?.trim() === '' ? next[3] : undefined,
    };
  });
}

function readMarkers(before: string): Map<string, string> {
  const [comments] = MARKERS.exec(before) ?? [''];
  return new Map([...comments.matchAll(MARKER)].map(([, name, text]) => [name!, text ?? '']));
}

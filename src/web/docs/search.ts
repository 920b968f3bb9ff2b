/** Search in all guides: their sections that have all words, those first that have them in their headings. */
import { GUIDES, type Guide } from './guides.js';
import { slug } from './slug.js';

interface Section {
  readonly guide: Guide;
  readonly heading: string;
  readonly anchor: string;
  readonly text: string;
  readonly words: string;
}

export interface Found {
  readonly guide: Guide;
  readonly heading: string;
  readonly anchor: string;
  /** Text around the first word. */
  readonly excerpt: string;
}

const MOST_FOUND = 20;
const EXCERPT_BEFORE = 40;
const EXCERPT_LENGTH = 160;

/** Without the marks of Markdown, in one line. */
const plain = (text: string) =>
  text
    .replaceAll(/<!--[\s\S]*?-->|^```mermaid[\s\S]*?^```|^ *```.*$|^\|[ \-|]*$/gm, '')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*|]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();

function sectionsOf(guide: Guide): Section[] {
  // `# ` within a block of code begins a comment.
  const text = guide.text.replaceAll(/^ *```[\s\S]*?^ *```/gm, (block) => block.replaceAll(/^#/gm, ' #'));
  return text.split(/^(?=#{1,6} )/m).flatMap((part) => {
    const heading = /^#{1,6} +(.+)/.exec(part)?.[1];
    if (heading === undefined) return [];
    const body = plain(part.slice(part.indexOf('\n') + 1));
    const words = `${guide.title} ${heading} ${body}`.toLowerCase();
    return [{ guide, heading: plain(heading), anchor: slug(heading), text: body, words }];
  });
}

const SECTIONS = [...GUIDES.values()].filter(({ path }) => path !== '').flatMap(sectionsOf);

function excerptOf(text: string, word: string): string {
  const at = text.toLowerCase().indexOf(word);
  const begin = at < EXCERPT_BEFORE ? 0 : text.lastIndexOf(' ', at - EXCERPT_BEFORE) + 1;
  const excerpt = text.slice(begin, begin + EXCERPT_LENGTH);
  return `${begin > 0 ? '…' : ''}${excerpt}${begin + EXCERPT_LENGTH < text.length ? '…' : ''}`;
}

/** @param words in lower case */
export function findSections(words: readonly string[]): { found: Found[]; guides: ReadonlySet<Guide> } {
  const fitting = SECTIONS.filter((section) => words.every((word) => section.words.includes(word)));
  const isIn = (text: string) => words.every((word) => text.toLowerCase().includes(word));
  const rankOf = ({ heading, guide }: Section) => (isIn(heading) ? 0 : isIn(guide.title) ? 1 : 2);
  const ranked = fitting.toSorted((one, other) => rankOf(one) - rankOf(other));
  return {
    found: ranked.slice(0, MOST_FOUND).map(({ guide, heading, anchor, text }) => ({
      guide,
      heading,
      anchor,
      excerpt: excerptOf(text, words[0]!),
    })),
    guides: new Set(fitting.map(({ guide }) => guide)),
  };
}

/** The pages of `docs/`, which are bundled with this page: their texts, their order and their links. */
import type { Addresses } from './markdown.js';

export interface Guide {
  /** From `docs/`, without `.md`: `clients/python`. The list of all is ''. */
  readonly path: string;
  readonly title: string;
  readonly text: string;
}

export interface GuideGroup {
  readonly title: string;
  readonly guides: readonly Guide[];
}

const FOLDER = '../../../docs/';
const TEXTS = import.meta.glob<string>('../../../docs/**/*.md', {
  eager: true,
  query: '?raw',
  import: 'default',
});
const IMAGES = import.meta.glob<string>('../../../bench/results/*.svg', {
  eager: true,
  query: '?url',
  import: 'default',
});
const INDEX = 'README';

const titleOf = (text: string) => (/^# +(.+)$/m.exec(text)?.[1] ?? '').replaceAll('`', '');
const pathOf = (file: string) => (file === INDEX ? '' : file);

export const GUIDES: ReadonlyMap<string, Guide> = new Map(
  Object.entries(TEXTS).map(([file, text]) => {
    const path = pathOf(file.slice(FOLDER.length, -'.md'.length));
    return [path, { path, title: titleOf(text), text }];
  }),
);

/** By the headings of the list of all pages. */
export const GROUPS: readonly GuideGroup[] = GUIDES.get('')!
  .text.split(/^## /m)
  .slice(1)
  .map((section) => ({
    title: section.split('\n', 1)[0]!,
    guides: [...section.matchAll(/\]\(([^)#]+)\.md\)/g)].flatMap(([, path]) => GUIDES.get(path!) ?? []),
  }));

export const guideAddress = (path: string, anchor = '') => `#/${path}${anchor && `:${anchor}`}`;

/** @returns path and anchor that a page's hash names, or undefined where it names no guide */
export function guideOf(hash: string): { guide: Guide; anchor: string } | undefined {
  const [, path, anchor = ''] = /^#\/([^:]*)(?::(.*))?$/.exec(decodeURIComponent(hash)) ?? [];
  const guide = path === undefined ? undefined : GUIDES.get(path);
  return guide && { guide, anchor };
}

const OUTSIDE = /^https?:\/\//;

/** The path of a file that a guide names, from the project's folder: `docs/push.md`. */
function fileOf(address: string, from: Guide): string {
  const base = new URL(`docs/${from.path || INDEX}`, 'file:///');
  return new URL(address, base).pathname.slice(1);
}

/** Links among the guides stay in this page; what it does not bundle is named without a link. */
export function addressesOf(from: Guide): Addresses {
  return {
    link(address) {
      if (OUTSIDE.test(address)) return address;
      const [file, anchor] = address.split('#') as [string, string | undefined];
      if (file === '') return guideAddress(from.path, anchor);
      const named = /^docs\/(.+)\.md$/.exec(fileOf(file, from))?.[1];
      const path = named === undefined ? undefined : pathOf(named);
      return path !== undefined && GUIDES.has(path) ? guideAddress(path, anchor) : undefined;
    },
    image: (address) => IMAGES[`../../../${fileOf(address, from)}`],
  };
}

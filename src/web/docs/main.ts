/** The documents: the guides, and the reference of the API, which this gateway gives at `/openapi.json`. */
import type { Description, Operation } from '../../openapi/model.js';
import { element } from './elements.js';
import { failureView } from './failure-view.js';
import { guideView } from './guide-view.js';
import { GROUPS, type Guide, guideAddress, guideOf } from './guides.js';
import { markdown } from './markdown.js';
import { methodNames, operationView } from './operation-view.js';
import { schemasView } from './schema-view.js';
import { findSections } from './search.js';

const contents = document.querySelector<HTMLElement>('#contents')!;
const reference = document.querySelector<HTMLElement>('#reference')!;
const filter = document.querySelector<HTMLInputElement>('#filter')!;
const shownGuide = document.querySelector<HTMLElement>('#guide')!;
const foundSections = document.querySelector<HTMLElement>('#found')!;

interface Shown {
  readonly view: HTMLDetailsElement;
  readonly link: HTMLElement;
  /** What the filter looks in. */
  readonly words: string;
}

const all: Shown[] = [];
const guideLinks = new Map<Guide, HTMLElement>();

/** The list of the guides, before that of the addresses. */
function listGuides(): void {
  for (const { title, guides } of GROUPS) {
    const links = guides.map((guide) => {
      const link = element('a', { href: guideAddress(guide.path) }, guide.title);
      guideLinks.set(guide, link);
      return link;
    });
    contents.append(element('div', { class: 'group' }, element('h2', {}, title), ...links));
  }
}

function listed(path: string, method: string, operation: Operation): Shown {
  const { operationId, summary, parameters = [] } = operation;
  const [name] = methodNames(method, operation);
  const view = operationView(path, method, operation);
  const link = element(
    'a',
    { href: `#${operationId}` },
    element('span', { class: `method ${name}` }, name),
    element('code', {}, path),
  );
  const words = [path, method, operationId, summary, ...parameters.map((each) => each.name)];
  return { view, link, words: words.join(' ').toLowerCase() };
}

function show(description: Description): void {
  document.querySelector('#version')!.textContent = description.info.version;
  reference.append(element('section', { id: 'about' }, markdown(description.info.description)));
  for (const tag of description.tags) {
    const section = element('section', {}, element('h2', {}, tag.name), element('p', {}, tag.description));
    const group = element('div', { class: 'group' }, element('h2', {}, tag.name));
    for (const [path, item] of Object.entries(description.paths)) {
      for (const [method, operation] of Object.entries(item) as [string, Operation][]) {
        if (operation.tags[0] !== tag.name) continue;
        const shown = listed(path, method, operation);
        all.push(shown);
        section.append(shown.view);
        group.append(shown.link);
      }
    }
    reference.append(section);
    contents.append(group);
  }
  reference.append(failureView(description['x-failures']));
  reference.append(schemasView(description.components.schemas));
  const others = [
    ['#errors', 'Errors'],
    ['#bodies', 'Bodies'],
  ] as const;
  const links = others.map(([href, name]) => element('a', { href }, name));
  contents.append(element('div', { class: 'group' }, ...links));
}

/** Shows what the address names: a guide, or a place in the reference. */
function openNamed(): void {
  const named = guideOf(location.hash);
  shownGuide.hidden = named === undefined;
  reference.hidden = named !== undefined;
  for (const [guide, link] of guideLinks) link.toggleAttribute('aria-current', guide === named?.guide);
  document.title = `streamgate · ${named?.guide.title ?? 'docs'}`;
  if (named === undefined) openInReference();
  else {
    shownGuide.replaceChildren(guideView(named.guide));
    const heading = shownGuide.querySelector(`[data-anchor="${CSS.escape(named.anchor)}"]`);
    if (heading === null) scrollTo(0, 0);
    else heading.scrollIntoView();
  }
}

/** Opens an operation, so that a link leads to it. */
function openInReference(): void {
  const named = document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

function applyFilter(): void {
  const wanted = filter.value.trim().toLowerCase().split(/\s+/);
  searchGuides(wanted.filter((word) => word !== ''));
  for (const { view, link, words } of all) {
    const isHidden = !wanted.every((word) => words.includes(word));
    view.hidden = isHidden;
    link.hidden = isHidden;
  }
}

function searchGuides(words: readonly string[]): void {
  const { found, guides } = findSections(words);
  foundSections.hidden = words.length === 0;
  foundSections.replaceChildren(
    element('h2', {}, found.length === 0 ? 'Nothing in the guides' : 'In the guides'),
    ...found.map(({ guide, heading, anchor, excerpt }) =>
      element(
        'a',
        { href: guideAddress(guide.path, anchor) },
        element('strong', {}, heading === guide.title ? heading : `${guide.title} › ${heading}`),
        element('p', {}, excerpt),
      ),
    ),
  );
  for (const [guide, link] of guideLinks) link.hidden = words.length > 0 && !guides.has(guide);
}

filter.addEventListener('input', applyFilter);
foundSections.addEventListener('click', () => {
  filter.value = '';
  applyFilter();
});
window.addEventListener('hashchange', openNamed);
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target === filter) return;
  event.preventDefault();
  filter.focus();
});
// Who opens an operation finds its address in the browser's, to be sent to others.
reference.addEventListener(
  'toggle',
  ({ target }) => {
    if (target instanceof HTMLDetailsElement && target.open) history.replaceState(null, '', `#${target.id}`);
  },
  true,
);

listGuides();
openNamed();
try {
  const response = await fetch('/openapi.json');
  if (!response.ok) throw new Error(`status ${response.status}`);
  show((await response.json()) as Description);
  if (!reference.hidden) openInReference();
} catch (error) {
  reference.append(
    element('p', { role: 'alert' }, `The description cannot be had: ${(error as Error).message}`),
  );
}

/** What to do where there is nothing to see yet. */
import { find, make } from './elements.js';

export function showWelcome(isEmpty: boolean): void {
  const welcome = find('welcome', HTMLElement);
  if (welcome.hidden !== isEmpty) return;
  welcome.hidden = !isEmpty;
  document.body.classList.toggle('is-empty', isEmpty);
  if (!isEmpty) return;
  const { origin } = location;
  const examples: readonly (readonly [what: string, command: string])[] = [
    ['A picture', `curl --data-binary @frame.jpg ${origin}/data/cam`],
    ['A sensor', `while sleep 0.2; do date +%S | curl -s --data-binary @- ${origin}/data/seconds; done`],
    ['A line of JSON', `curl -d '{"temperature": 21.5}' ${origin}/data/room`],
  ];
  find('examples', HTMLElement).replaceChildren(
    ...examples.flatMap(([what, command]) => [
      make('dt', { text: what }),
      make('dd', {}, make('code', { text: command })),
    ]),
  );
}

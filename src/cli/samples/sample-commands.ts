/** The sample client's commands: made-up entries, and what became of them, in words. */
import type { Command } from 'commander';
import { addPullOptions, addRunOptions, addSaveOption, addShapeOption } from '../client-options.js';
import { pullImage, pullImageByRest, pullRaw } from './sample-pull.js';
import { pushImage, pushImageByRest, pushIncrement } from './sample-push.js';

const INCREMENTS_A_SECOND = 10;
const IMAGES_A_SECOND = 10;
const NO_LIMIT = 0;

/** Both spellings: `push_image` as the Python client had it, `push-image` as command lines have it. */
function addStreamCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .alias(name.replaceAll('_', '-'))
    .description(description)
    .argument('<sid>', 'stream id');
}

export function addSampleCommands(program: Command): void {
  const increment = addStreamCommand(program, 'push_increment', 'push 0, 1, 2, … as text');
  addRunOptions(increment, INCREMENTS_A_SECOND).action(pushIncrement);

  const image = addStreamCommand(program, 'push_image', 'push JPEGs of random noise');
  addRunOptions(addShapeOption(image), IMAGES_A_SECOND).action(pushImage);

  const imageByRest = addStreamCommand(program, 'push_image_rest', 'push JPEGs of random noise by HTTP');
  addRunOptions(addShapeOption(imageByRest), IMAGES_A_SECOND).action(pushImageByRest);

  const raw = addStreamCommand(program, 'pull_raw', "show each entry's id, size and first bytes");
  addPullOptions(addRunOptions(raw, NO_LIMIT)).action(pullRaw);

  const images = addStreamCommand(program, 'pull_image', 'decode images and show width×height×channels');
  addPullOptions(addRunOptions(addSaveOption(images), NO_LIMIT)).action(pullImage);

  const imagesByRest = addStreamCommand(program, 'pull_image_rest', 'the same by HTTP');
  addPullOptions(addRunOptions(addSaveOption(imagesByRest), NO_LIMIT)).action(pullImageByRest);
}

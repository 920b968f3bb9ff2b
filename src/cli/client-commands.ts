/** What `streamgate` does as a client of a gateway, as `test/api.ts` offers it, too. */
import { type Command, Option } from 'commander';
import { addBenchCommand } from './bench-command.js';
import { addTargetOptions, addUrlOption, argument, parseNumber, parseWholeNumber } from './client-options.js';
import { showStream } from './info-command.js';
import { listStreams } from './list-command.js';
import { parseMomentOption } from './moments.js';
import { pullPipe } from './pull-pipe.js';
import { pushPipe } from './push-pipe.js';
import { addSampleCommands } from './samples/sample-commands.js';

function parsePositive(text: string): number {
  const number = parseWholeNumber(text);
  if (number === 0) throw new Error('It must be a whole number from 1.');
  return number;
}

function addPushCommand(program: Command): void {
  addTargetOptions(program.command('push'))
    .description('store standard input, or files, as entries of a stream')
    .argument('<sid>', 'stream id')
    .argument('[files...]', 'each an entry; - is standard input')
    .addOption(
      new Option('--lines', 'each line is an entry, stored as it comes').conflicts(['split', 'mjpeg']),
    )
    .addOption(
      new Option('--split <bytes>', 'every so many bytes are an entry')
        .argParser(argument(parsePositive))
        .conflicts('mjpeg'),
    )
    .option('--mjpeg', 'each JPEG is an entry, of a stream of them as ffmpeg writes it')
    .option('--ids', 'print the id of each entry once it is stored')
    .action(pushPipe);
}

function addPullCommand(program: Command): void {
  addTargetOptions(program.command('pull'))
    .description('write the entries of streams to standard output, nothing but their bytes')
    .argument('<sids...>', 'stream ids')
    .option(
      '--latest',
      'the newest entry, however old, and end; with --follow the newest ever after, skipping',
    )
    .option('-n, --number <n>', 'end after n entries', argument(parsePositive))
    .option('--follow', 'with --latest: go on')
    .addOption(
      new Option(
        '--last-entry-id <id>',
        'read after this id: $ newest, 0 all, ms or ms-seq (default: $)',
      ).conflicts('from'),
    )
    .option(
      '--from <time>',
      'from this time on: ISO 8601, a duration ago such as 10m, or an id',
      argument(toMoment),
    )
    .option('--until <time>', 'end with this time: the same, or now', argument(toMoment))
    .option('--speed <n>', 'as the entries were written, n times as fast; 0: at once', argument(parseNumber))
    .option('--max-fps <n>', 'at most n messages a second', argument(parseNumber))
    .option('--lines', 'end each entry with a newline')
    .addOption(
      new Option('--json', 'a line of JSON an entry: stream, id, time, data').conflicts(['lines', 'files']),
    )
    .addOption(
      new Option(
        '--files <pattern>',
        'a file an entry, whose path is printed: a folder, or with {stream}, {id}, {time}, {ext}',
      ).conflicts('lines'),
    )
    .action(pullPipe);
}

const toMoment = (text: string) => parseMomentOption(text);

export function addClientCommands(program: Command): void {
  addPushCommand(program);
  addPullCommand(program);
  addUrlOption(program.command('ls'))
    .description('list streams: entries, age and size of the newest, and the key')
    .argument('[filter]', 'what their keys contain; with * or ? a glob that they fit')
    .action(listStreams);
  addTargetOptions(program.command('info'))
    .description('what a stream holds, and its metadata')
    .argument('<sid>', 'stream id, or a whole key')
    .option('--json', 'as JSON')
    .action(showStream);
  addBenchCommand(program);
  addSampleCommands(program);
}

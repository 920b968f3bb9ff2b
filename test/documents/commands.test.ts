/** docs/cli.md names every option of the commands, and no other. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addClientCommands } from '../../src/cli/client-commands.js';
import { addDoctorCommand } from '../../src/cli/doctor-command.js';
import { addServeCommand } from '../../src/cli/serve-command.js';
import { addSetupCommand } from '../../src/cli/setup-command.js';
import { addTokenCommand } from '../../src/cli/token-command.js';
import { SETTINGS } from '../../src/config/settings.js';

const page = readFileSync('docs/cli.md', 'utf8');
/** What the page says below each heading. */
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);
/** The headings that are not the commands' own names. */
const HEADINGS: Record<string, string> = {
  ls: 'ls and info',
  info: 'ls and info',
  bench: 'bench and sample commands',
  push_increment: 'bench and sample commands',
  push_image: 'bench and sample commands',
  push_image_rest: 'bench and sample commands',
  pull_raw: 'bench and sample commands',
  pull_image: 'bench and sample commands',
  pull_image_rest: 'bench and sample commands',
  create: 'token and doctor',
  list: 'token and doctor',
  revoke: 'token and doctor',
  doctor: 'token and doctor',
};
/** docs/settings.md has these. */
const FLAGS = Object.keys(SETTINGS).map((name) => `--${name.toLowerCase().replaceAll('_', '-')}`);

const program = new Command();
addServeCommand(program);
addSetupCommand(program);
addTokenCommand(program);
addDoctorCommand(program);
addClientCommands(program);

const commandsOf = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsOf)];
const commands = commandsOf(program);
const ownOptions = ({ options }: Command) => options.filter(({ long }) => !FLAGS.includes(long!));

/** The options that a text names in code. */
function namesIn(text: string): string[] {
  const code = [...text.matchAll(/`[^`]+`|^```[\s\S]*?^```/gm)].map(([part]) => part).join('\n');
  return code.match(/(?<![\w-])-(?:-[a-z][a-z-]*|[a-z])(?![\w-])/g) ?? [];
}

test.each(
  commands.filter((command) => ownOptions(command).length > 0).map((command) => [command.name(), command]),
)('docs/cli.md names every option of %s', (name, command) => {
  const options = ownOptions(command);
  const isClient = options.some(({ long }) => long === '--url');
  const named = namesIn(
    `${isClient ? sections.get('Common options') : ''}${sections.get(HEADINGS[name] ?? name)}`,
  );
  const missing = options.filter(({ short, long }) => !named.includes(long!) && !named.includes(short ?? ''));
  expect(missing.map(({ flags }) => flags)).toEqual([]);
});

test('docs/cli.md names no option that there is not', () => {
  const known = commands.flatMap(({ options }) => options.flatMap(({ short, long }) => [short, long]));
  const named = [...sections.values()].flatMap(namesIn);
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

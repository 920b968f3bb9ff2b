/** Every setting as a flag of a command. */
import { type Command, Option } from 'commander';
import { SETTINGS, type SettingName } from '../config/settings.js';

const flagOf = (name: string) => `--${name.toLowerCase().replaceAll('_', '-')}`;

/**
 * Adds a flag for each setting to `command`.
 * @returns from the flags that were given to the settings as text: those of the environment, flags before them
 */
export function addSettingOptions(
  command: Command,
): (flags: Readonly<Record<string, unknown>>) => Record<string, string | undefined> {
  const names = new Map<string, SettingName>();
  for (const [name, { meaning, fallback }] of Object.entries(SETTINGS)) {
    const told = fallback === undefined ? meaning : `${meaning} (default: ${fallback})`;
    const option = new Option(`${flagOf(name)} <value>`, told);
    names.set(option.attributeName(), name as SettingName);
    command.addOption(option);
  }
  return (flags) => {
    const given: Record<string, string | undefined> = { ...process.env };
    for (const [attribute, value] of Object.entries(flags)) {
      const name = names.get(attribute);
      if (name !== undefined) given[name] = value as string;
    }
    return given;
  };
}

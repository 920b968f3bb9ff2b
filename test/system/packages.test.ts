import { expect, test } from 'vitest';
import { installCommand, manualCommand, type PackageManager, rightTo } from '../../src/system/packages.js';

test.for([
  ['dnf', 'own', 'env dnf install -y --setopt=install_weak_deps=False a b'],
  ['dnf', 'sudo', 'sudo -n env dnf install -y --setopt=install_weak_deps=False a b'],
  ['apk', 'own', 'env apk add --no-cache a b'],
  ['pacman', 'sudo', 'sudo -n env pacman -Sy --noconfirm --needed a b'],
  ['brew', 'own', 'env NONINTERACTIVE=1 brew install a b'],
] as const)('%s by right %s', ([manager, right, line]) => {
  expect(installCommand(manager, ['a', 'b'], right).join(' ')).toBe(line);
});

test('apt asks nothing, starts nothing and leaves no policy behind', () => {
  const command = installCommand('apt', ['a', 'b'], 'sudo');
  expect(command.slice(0, 6)).toEqual(['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive', 'sh', '-c']);
  expect(command.slice(7)).toEqual(['sh', 'a', 'b']);
  const script = command[6]!;
  expect(script).toContain('install -y --no-install-recommends "$@"');
  expect(script).toContain("trap 'rm -f $policy' EXIT");
  // Written as the shell must see it, not as TypeScript would.
  expect(script).toContain("'#!/bin/sh\\nkill -0 %s");
  expect(script).toContain(`'\${Status}'`);
});

test.for([
  ['apt', 'sudo apt-get install a b'],
  ['pacman', 'sudo pacman -S a b'],
  ['apk', 'sudo apk add a b'],
  ['brew', 'brew install a b'],
] as const)('what a person types for %s', ([manager, line]) => {
  expect(manualCommand(manager, ['a', 'b'])).toBe(line);
});

test('rights: root but for Homebrew, else a sudo that asks nothing', () => {
  for (const manager of ['apt', 'dnf', 'apk', 'pacman'] satisfies PackageManager[]) {
    expect([rightTo(manager, 0, false), rightTo(manager, 1000, true), rightTo(manager, 1000, false)]).toEqual(
      ['own', 'sudo', 'none'],
    );
  }
  expect([rightTo('brew', 0, true), rightTo('brew', 501, false)]).toEqual(['none', 'own']);
});

/**
 * Installs packages with the system's own package manager where that needs no question: as root, or
 * with a sudo that asks for no password; Homebrew as anyone but root.
 *
 * Services that a package brings are neither started nor enabled at boot.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { findExecutable } from './executables.js';

export type PackageManager = 'apt' | 'dnf' | 'apk' | 'pacman' | 'brew';

/** What to install, under the names that each package manager has for it. */
export type PackageNames = Partial<Record<PackageManager, readonly string[]>>;

/** By which right a package manager runs without asking. */
export type InstallRight = 'own' | 'sudo' | 'none';

/** Nothing was installed; the message, `install it …`, tells in one line how to do it by hand. */
export class PackageError extends Error {}

interface Manager {
  readonly program: string;
  /** The verb a person types to install. */
  readonly verb: string;
  /** Arguments for `env`: variables, then the command that asks nothing; the names follow. */
  readonly unattended: readonly string[];
}

/**
 * Debian's packages start their services. The one switch that counts under systemd, under other init
 * systems and under none is /usr/sbin/policy-rc.d: where there is none, one stands for as long as this
 * script runs, and should the script be killed, the file removes itself when it is next asked. It does
 * not keep a service from being enabled at boot, so those of new packages are disabled afterwards.
 */
const APT_SCRIPT = `
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nkill -0 %s 2>/dev/null && exit 101\\nrm -f "$0"\\n' $$ >$policy
  chmod 755 $policy
fi
added=
for package; do
  dpkg-query -W -f '\${Status}' "$package" 2>/dev/null | grep -q ' installed$' || added="$added $package"
done
apt-get -q update || echo 'The lists are as old as they were.'
apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" || exit
for package in $added; do
  update-rc.d "$package" disable || systemctl disable "$package" || :
done >/dev/null 2>&1
`;

/** In the order in which they are looked for; Homebrew last, since it may stand beside another. */
const MANAGERS: Record<PackageManager, Manager> = {
  apt: {
    program: 'apt-get',
    verb: 'install',
    unattended: ['DEBIAN_FRONTEND=noninteractive', 'sh', '-c', APT_SCRIPT, 'sh'],
  },
  dnf: {
    program: 'dnf',
    verb: 'install',
    unattended: ['dnf', 'install', '-y', '--setopt=install_weak_deps=False'],
  },
  apk: { program: 'apk', verb: 'add', unattended: ['apk', 'add', '--no-cache'] },
  pacman: { program: 'pacman', verb: '-S', unattended: ['pacman', '-Sy', '--noconfirm', '--needed'] },
  brew: { program: 'brew', verb: 'install', unattended: ['NONINTERACTIVE=1', 'brew', 'install'] },
};

/** By which right user `uid` runs `manager` without being asked; `sudo` tells whether sudo asks nothing. */
export function rightTo(manager: PackageManager, uid: number | undefined, sudo: boolean): InstallRight {
  if (manager === 'brew') return uid === 0 ? 'none' : 'own';
  if (uid === 0) return 'own';
  return sudo ? 'sudo' : 'none';
}

/** The command that installs `names` without a question. */
export function installCommand(
  manager: PackageManager,
  names: readonly string[],
  right: Exclude<InstallRight, 'none'>,
): [program: string, ...args: string[]] {
  // Variables are set by env, since sudo drops those that it is called with.
  const start: [string, ...string[]] = right === 'sudo' ? ['sudo', '-n', 'env'] : ['env'];
  return [...start, ...MANAGERS[manager].unattended, ...names];
}

/** The line that a person types to install `names`. */
export function manualCommand(manager: PackageManager, names: readonly string[]): string {
  const { program, verb } = MANAGERS[manager];
  return [...(manager === 'brew' ? [] : ['sudo']), program, verb, ...names].join(' ');
}

/**
 * Installs `packages`, passing each line that the package manager prints to `log`. The packages are
 * taken from the first manager that is on the PATH, has names in `packages` and needs no question.
 * @throws PackageError if there is no such manager or it fails.
 */
export async function installPackages(packages: PackageNames, log: (line: string) => void): Promise<void> {
  const uid = process.getuid?.();
  const sudo = uid !== 0 && (await sudoAsksNothing());
  let advice: string | undefined;
  for (const manager of Object.keys(MANAGERS) as PackageManager[]) {
    const names = packages[manager];
    const { program } = MANAGERS[manager];
    if (!names || !(await findExecutable([program]))) continue;
    const right = rightTo(manager, uid, sudo);
    if (right !== 'none') {
      log(`Installing ${names.join(', ')} with ${program}.`);
      const failure = await run(installCommand(manager, names, right), log);
      if (failure === undefined) return;
      throw new PackageError(advise(`by hand, since ${program} failed (${failure})`, manager, names));
    }
    const who = manager === 'brew' ? 'as a user other than root' : 'as root';
    advice ??= advise(who, manager, names);
  }
  const programs = Object.values(MANAGERS).map(({ program }) => program);
  throw new PackageError(advice ?? `install it by hand, since none of ${programs.join(', ')} is here`);
}

function advise(how: string, manager: PackageManager, names: readonly string[]): string {
  return `install it ${how}: ${manualCommand(manager, names)}`;
}

async function sudoAsksNothing(): Promise<boolean> {
  return (
    (await findExecutable(['sudo'])) !== undefined &&
    (await run(['sudo', '-n', 'true'], () => {})) === undefined
  );
}

/** Runs a command to its end; resolves to undefined, or to what went wrong. */
async function run(
  [program, ...args]: [string, ...string[]],
  log: (line: string) => void,
): Promise<string | undefined> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  createInterface(child.stdout).on('line', log);
  createInterface(child.stderr).on('line', (line) => {
    complaint = line.trim() || complaint;
    log(line);
  });
  try {
    const [status, signal] = await once(child, 'close');
    return status === 0 ? undefined : complaint || `status ${status ?? signal}`;
  } catch (cause) {
    return (cause as Error).message;
  }
}

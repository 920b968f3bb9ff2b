/** What the tests need of the machine, installed where it is missing: run once before all of them. */
import { execFileSync } from 'node:child_process';
import { ensureRedisServer } from '../../src/embedded/binaries.js';
import { findExecutable } from '../../src/system/executables.js';
import { installPackages } from '../../src/system/packages.js';

/** The system's own Python, for which the packages below are; another may be first on the PATH. */
export const PYTHON = '/usr/bin/python3';

function hasPythonClients(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import websockets, requests, aiohttp'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The browser that opens GraphiQL. */
export const findChromium = () => findExecutable(['chromium', 'chromium-browser', 'google-chrome']);

/** Reads cameras and microphones in the documentation's snippets. */
export const findFfmpeg = () => findExecutable(['ffmpeg']);

/** The proxy that answers must get through. Outside the PATH of most users. */
export const findNginx = () => findExecutable(['nginx'], `${process.env.PATH}:/usr/sbin`);

export default async function prepareMachine(): Promise<void> {
  const tell = (line: string) => console.error(line);
  await ensureRedisServer(tell);
  if (!hasPythonClients()) {
    const packages = ['python3-websockets', 'python3-requests', 'python3-aiohttp'];
    await installPackages({ apt: ['python3', ...packages], dnf: packages }, tell);
  }
  if ((await findFfmpeg()) === undefined) {
    const packages = ['ffmpeg'];
    await installPackages({ apt: packages, apk: packages, pacman: packages, brew: packages }, tell);
  }
  if ((await findNginx()) === undefined) {
    const packages = ['nginx'];
    await installPackages({ apt: packages, dnf: packages, apk: packages, pacman: packages }, tell);
  }
  if ((await findChromium()) === undefined) {
    const packages = ['chromium'];
    await installPackages({ apt: packages, dnf: packages, apk: packages, pacman: packages }, tell);
  }
}

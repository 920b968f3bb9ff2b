/**
 * Loads uWebSockets.js, or says why it cannot be loaded here.
 *
 * The package contains one binary per system, processor and Node.js release. A stack trace
 * does not tell users which of these to change, so this does.
 */
import { createRequire } from 'node:module';

/** What decides whether there is a binary that loads. */
export interface Runtime {
  /** Without the `v`, such as `24.11.0`. */
  readonly node: string;
  /** The version of Node's binary interface (`process.versions.modules`), which is part of a binary's name. */
  readonly abi: string;
  /** `process.platform` and `process.arch`. */
  readonly platform: string;
  readonly arch: string;
  /** The version of glibc in use; undefined on other systems than Linux, and with musl. */
  readonly glibc: string | undefined;
}

/**
 * Supported releases of Node.js and the glibc that their binaries need on Linux. test/system/socket-library.test.ts
 * compares this table with the binaries.
 */
export const SUPPORTED = [
  { majors: [22, 24, 25], glibc: '2.38' },
  { majors: [20], glibc: '2.27' },
] as const;

/**
 * Most bytes of a request's first line and headers together, where the library lets us choose (Node.js 22 and later):
 * it reads UWS_HTTP_MAX_HEADERS_SIZE when it is loaded. Its own 4096 are too few for tokens, cookies and lists of
 * streams. Each connection may hold this much before its client is known, so it is no more than proxies accept.
 */
const MAX_HEAD_BYTES = 32 * 1024;

const REQUIREMENT = `use ${SUPPORTED.map(
  ({ majors, glibc }) => `Node.js ${listText(majors)} (on Linux with glibc ${glibc} or later)`,
).join(', or ')}; musl (Alpine) is not supported`;

/** Loads the library. @returns why that failed and what works, in one sentence; undefined if it loaded */
export async function loadSocketLibrary(): Promise<string | undefined> {
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEAD_BYTES);
  try {
    await import('uWebSockets.js');
    return undefined;
  } catch (error) {
    return explainFailure(thisRuntime(), error as Error);
  }
}

/**
 * Why `runtime` could not load the library.
 * @param cause what loading it threw
 * @param isThere whether the package contains the binary for `runtime`
 */
export function explainFailure(runtime: Runtime, cause: Error, isThere = hasBinary(runtime)): string {
  const { node, platform, arch, glibc } = runtime;
  const row = SUPPORTED.find(({ majors }) => majors.some((major) => major === Number.parseInt(node, 10)));
  const here = `Node.js ${node} on ${platform} ${arch}`;
  if (platform === 'linux' && glibc === undefined) {
    return `uWebSockets.js does not work on this system, which has no glibc: ${REQUIREMENT}.`;
  }
  if (!isThere) {
    return row === undefined || arch === 'arm'
      ? `uWebSockets.js has no binary for ${here}: ${REQUIREMENT}.`
      : `The binary of uWebSockets.js for ${here} is missing: install the packages again with npm ci.`;
  }
  if (row !== undefined && glibc !== undefined && isOlder(glibc, row.glibc)) {
    return `The binary of uWebSockets.js for ${here} does not work with glibc ${glibc}: ${REQUIREMENT}.`;
  }
  return `The binary of uWebSockets.js for ${here} cannot be loaded (${reasonOf(cause)}): ${REQUIREMENT}.`;
}

function thisRuntime(): Runtime {
  const { node, modules } = process.versions;
  return {
    node,
    abi: modules,
    platform: process.platform,
    arch: process.arch,
    glibc: glibcVersion(),
  };
}

function glibcVersion(): string | undefined {
  // Otherwise a report looks up the name of every connected host. The types of Node 20 do not know the switch.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

function hasBinary({ platform, arch, abi }: Runtime): boolean {
  try {
    createRequire(import.meta.url).resolve(`uWebSockets.js/uws_${platform}_${arch}_${abi}.node`);
    return true;
  } catch {
    return false;
  }
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number);
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}

/** The loader's own words: the library puts a paragraph of its own before them. */
function reasonOf({ message }: Error): string {
  const own = message.slice(message.lastIndexOf('\n\n')).trim();
  return own
    .split('\n')[0]!
    .replace(/^Error: /, '')
    .replace(/\.$/, '');
}

/** `22, 24 or 25` */
function listText(items: readonly number[]): string {
  return items.join(', ').replace(/, (\d+)$/, ' or $1');
}

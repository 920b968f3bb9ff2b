/** What in the machine will hurt. */
import { shareOf } from '../config/worker-share.js';
import { type Checks, ok, problem, sizeText, type Verdict, warning } from './findings.js';
import type { SystemFacts } from './system-facts.js';

const MIB = 1024 * 1024;
/**
 * Releases of Node.js that still get fixes and that uWebSockets.js has binaries for:
 * https://github.com/nodejs/release#release-schedule
 */
const MAINTAINED_NODE = [22, 24];
/** What uSockets asks the kernel for. */
const BACKLOG = 512;
/** Descriptors that are no client's: files, threads, Redis. */
const OWN_FILES = 100;
const LITTLE_DISK_BYTES = 1024 * MIB;
const NO_DISK_BYTES = 64 * MIB;

function node({ nodeVersion, libraryFault }: SystemFacts): Verdict {
  if (libraryFault !== undefined) return problem(libraryFault);
  return MAINTAINED_NODE.includes(Number.parseInt(nodeVersion, 10))
    ? ok(`Node.js ${nodeVersion} loads uWebSockets.js.`)
    : warning(
        `Node.js ${nodeVersion} gets no more security fixes: use Node.js ${MAINTAINED_NODE.join(' or ')} on a ` +
          'system with glibc 2.38 or later (Debian 13, Ubuntu 24.04), or the Docker image.',
      );
}

function workers({ cores, config }: SystemFacts): Verdict {
  const { WORKERS, READER_THREADS, POOL_THREADS } = config;
  if (WORKERS === 1) return ok(`There is one worker (WORKERS=1) on ${coresText(cores)}.`);
  const threads = WORKERS * (1 + READER_THREADS + POOL_THREADS);
  const many = `${WORKERS} workers have ${threads} busy threads (a main thread, READER_THREADS and POOL_THREADS each)`;
  return threads <= cores
    ? ok(`${many} on ${coresText(cores)}.`)
    : warning(`${many}, and there are only ${coresText(cores)}: lower WORKERS, or set it to auto.`);
}

const coresText = (cores: number) => (cores === 1 ? '1 core' : `${cores} cores`);

/** Each worker is a process of its own. */
function openFiles({ openFiles: limit, config }: SystemFacts): Verdict {
  if (limit === undefined) return undefined;
  const clients = limit - OWN_FILES;
  const { MAX_CONNECTIONS } = shareOf(config);
  const wanted = config.WORKERS === 1 ? 'MAX_CONNECTIONS' : "a worker's part of MAX_CONNECTIONS";
  return clients >= MAX_CONNECTIONS
    ? ok(`${limit} files may be open at once, which ${wanted} (${MAX_CONNECTIONS}) fits into.`)
    : warning(
        `Only ${Math.max(clients, 0)} clients can be connected at once, and ${wanted} is ` +
          `${MAX_CONNECTIONS}: raise the limit of open files (ulimit -n, LimitNOFILE of systemd).`,
      );
}

function backlog({ backlog: limit }: SystemFacts): Verdict {
  if (limit === undefined) return undefined;
  return limit >= BACKLOG
    ? ok(`${limit} connections may wait to be accepted.`)
    : warning(
        `Only ${limit} connections may wait to be accepted, so that clients that come back all at once ` +
          `are turned away: set net.core.somaxconn to ${BACKLOG} or more.`,
      );
}

function buffers({ memoryBytes, config }: SystemFacts): Verdict {
  const share = `MAX_BUFFERED_BYTES (${sizeText(config.MAX_BUFFERED_BYTES)})`;
  return config.MAX_BUFFERED_BYTES <= memoryBytes / 4
    ? ok(`There are ${sizeText(memoryBytes)} of memory.`)
    : warning(
        `There are ${sizeText(memoryBytes)} of memory, of which ${share} alone may take more than a quarter ` +
          'while Redis is slow: lower it.',
      );
}

function hugePages({ hugePages: state, hasRedis }: SystemFacts): Verdict {
  if (!hasRedis || state === undefined) return undefined;
  return state === 'always'
    ? warning(
        'Transparent huge pages make Redis slow and large while it saves: ' +
          'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled.',
      )
    : ok(`Transparent huge pages are not forced on Redis (${state}).`);
}

function overcommit({ overcommit: mode, hasRedis }: SystemFacts): Verdict {
  if (!hasRedis || mode === undefined) return undefined;
  return mode === 1
    ? ok('Redis can save however much memory it uses (vm.overcommit_memory 1).')
    : warning(
        'With much memory in use Redis may be unable to save or to rewrite its file: set vm.overcommit_memory to 1.',
      );
}

function freeDisk({ freeDiskBytes: free, config }: SystemFacts): Verdict {
  if (free === undefined) return undefined;
  const finding = `${sizeText(free)} are free where ${config.STREAMGATE_DATA_DIR} is`;
  const advice = 'make room, or set STREAMGATE_DATA_DIR to a larger disk';
  if (free < NO_DISK_BYTES)
    return problem(`${finding}, and with none the embedded Redis takes no writes: ${advice}.`);
  return free < LITTLE_DISK_BYTES ? warning(`${finding}: ${advice}.`) : ok(`${finding}.`);
}

export const SYSTEM_CHECKS: Checks<SystemFacts> = {
  node,
  workers,
  'open-files': openFiles,
  backlog,
  buffers,
  'huge-pages': hugePages,
  overcommit,
  'free-disk': freeDisk,
};

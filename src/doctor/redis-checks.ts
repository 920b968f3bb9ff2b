/** What in Redis will hurt: each check judges the facts that Redis reports, by itself. */
import { compareVersions, identifyServer, parseVersion, type Version } from '../redis/server-identity.js';
import { type Checks, ok, problem, sizeText, type Verdict, warning } from './findings.js';
import { HOLES_DATE, knownHoles, safeRelease } from './known-holes.js';
import type { RedisFacts } from './redis-facts.js';

const OLDEST: Version = [7, 0];
const FULL = 0.95;
const NEARLY_FULL = 0.8;
const SLOW_PING_MS = 5;
const HOPELESS_PING_MS = 50;
const SKEW_MS = 1000;
const MAX_SKEW_MS = 60_000;
/** The append pipes, the control connection and some to spare; readers have two each, pool threads one. */
const OWN_CLIENTS = 10;
/** A reader's replies are held near 8 MiB, and two of the largest entries must fit one. */
const REPLY_BYTES = 8 * 1024 * 1024;

const number = (values: ReadonlyMap<string, string>, name: string) => Number(values.get(name) ?? Number.NaN);

function version({ info }: RedisFacts): Verdict {
  const { name, version: text } = identifyServer(info);
  if (text === undefined) return warning('Redis does not send its version; streamgate needs 7.0 or later.');
  const parts = parseVersion(text);
  // Only Redis has releases that old.
  if (compareVersions(parts, OLDEST) < 0) {
    return problem(`${name} ${text} is too old: streamgate needs 7.0 or later.`);
  }
  const holes = knownHoles(name, parts);
  const asOf = `as of ${HOLES_DATE}`;
  if (holes.length === 0) return ok(`${name} ${text}, which has no known security hole ${asOf}.`);
  const named = holes.map(({ cve, where }) => (where === undefined ? cve : `${cve} ${where}`)).join(', ');
  const safe = safeRelease(holes, parts);
  const advice = safe === undefined ? 'no release has the fix' : `upgrade to ${safe.join('.')} or later`;
  return warning(
    `${name} ${text} has known security holes (${named}; ${asOf}) unless your distribution has fixed them: ` +
      `${advice}.`,
  );
}

function loading({ info }: RedisFacts): Verdict {
  if (info.get('loading') !== '1') return undefined;
  return warning('Redis is still loading its data and takes no commands until then: run doctor again later.');
}

function role({ info }: RedisFacts): Verdict {
  if (identifyServer(info).mode === 'sentinel') {
    return problem(
      'This is a Sentinel, which stores nothing: REDIS_URL must name the Redis that it watches.',
    );
  }
  if (info.get('role') === 'slave') {
    return problem(
      `This is a replica, which takes no writes: REDIS_URL must name its master ` +
        `(${info.get('master_host')}:${info.get('master_port')}).`,
    );
  }
  return info.has('role') ? ok('Redis takes writes: it is a master.') : undefined;
}

function eviction({ settings }: RedisFacts): Verdict {
  const policy = settings.get('maxmemory-policy');
  if (policy === undefined) return undefined;
  // Of keys that expire streamgate makes none.
  if (!policy.startsWith('allkeys')) return ok(`No stream is ever evicted (maxmemory-policy ${policy}).`);
  const advice = 'set maxmemory-policy to noeviction';
  return number(settings, 'maxmemory') > 0
    ? problem(`maxmemory-policy ${policy} deletes whole streams when memory runs out: ${advice}.`)
    : warning(`maxmemory-policy ${policy} would delete whole streams once maxmemory is set: ${advice}.`);
}

function memory({ info, settings }: RedisFacts): Verdict {
  const used = number(info, 'used_memory');
  const limit = number(settings, 'maxmemory') || Number(info.get('maxmemory') ?? 0);
  const system = number(info, 'total_system_memory');
  const most = limit > 0 ? limit : system;
  if (!(used >= 0 && most > 0)) return undefined;
  const share = `${sizeText(used)} of ${sizeText(most)} (${limit > 0 ? 'maxmemory' : 'all that the machine has'})`;
  const advice = 'keep fewer entries (REDIS_STREAM_MAXLEN), delete streams, or give Redis more memory';
  if (used >= FULL * most) {
    return problem(`Redis uses ${share}, and refuses writes or is killed beyond that: ${advice}.`);
  }
  if (used >= NEARLY_FULL * most) return warning(`Redis uses ${share} already: ${advice}.`);
  if (limit > 0) return ok(`Redis uses ${share}.`);
  return warning(
    `Redis uses ${share} and has no limit, so that the system may kill it: set maxmemory to what it may have, ` +
      'with maxmemory-policy noeviction.',
  );
}

function persistence({ info, settings, isEmbedded }: RedisFacts): Verdict {
  const appendonly = settings.get('appendonly') ?? { '0': 'no', '1': 'yes' }[info.get('aof_enabled') ?? ''];
  const appendfsync = isEmbedded ? 'everysec' : settings.get('appendfsync');
  const advice = 'set appendonly yes and appendfsync everysec';
  if (appendonly === undefined)
    return warning('Redis does not report whether it keeps what it acknowledges.');
  if (appendonly === 'no') {
    return settings.get('save') === ''
      ? warning(`Acknowledged entries do not survive a restart of Redis: to keep them, ${advice}.`)
      : warning(`A killed Redis loses all entries since its last snapshot: to keep them, ${advice}.`);
  }
  if (appendfsync === 'no') {
    return warning(
      'The system alone decides when entries reach the disk (appendfsync no), so that a power cut loses ' +
        'many: set appendfsync everysec.',
    );
  }
  return ok(
    appendfsync === 'always'
      ? 'What is acknowledged is on the disk (appendfsync always).'
      : 'A killed Redis loses nothing that is acknowledged, a power cut about the last second.',
  );
}

/** Whether Redis could write to its disk when it last did. */
function disk({ info, settings }: RedisFacts): Verdict {
  if (info.get('aof_last_write_status') === 'err') {
    return problem(
      'Redis cannot write its append-only file, so it refuses writes: check the free space and permissions of its folder.',
    );
  }
  if (info.get('rdb_last_bgsave_status') === 'err') {
    return settings.get('stop-writes-on-bgsave-error') === 'no'
      ? warning('The last snapshot failed: check the free space and permissions of the folder of Redis.')
      : problem(
          'The last snapshot failed, so Redis refuses writes: check the free space and permissions of its folder.',
        );
  }
  if (info.get('aof_last_bgrewrite_status') === 'err') {
    return warning('Redis cannot rewrite its append-only file, which keeps growing: check its disk.');
  }
  return info.has('rdb_last_bgsave_status') ? ok('Redis can write to its disk.') : undefined;
}

function replicas({ info, settings }: RedisFacts): Verdict {
  const needed = number(settings, 'min-replicas-to-write');
  if (!(needed > 0)) return undefined;
  const here = number(info, 'connected_slaves') || 0;
  return here >= needed
    ? ok(`${here} replicas are connected; writes need ${needed}.`)
    : problem(
        `Redis refuses writes with fewer than ${needed} replicas (min-replicas-to-write), and has ${here}.`,
      );
}

/** `normal HARD SOFT SECONDS slave … pubsub …` */
function outputBuffers({ settings, config }: RedisFacts): Verdict {
  const [, hard] = /\bnormal (\d+)/.exec(settings.get('client-output-buffer-limit') ?? '') ?? [];
  if (hard === undefined) return undefined;
  const least = 2 * config.MAX_PAYLOAD_BYTES + REPLY_BYTES;
  const name = 'client-output-buffer-limit normal';
  if (hard === '0') {
    return warning(
      `Replies that a client does not read take memory without a limit: set ${name} to ` +
        `${least} 0 0 or more.`,
    );
  }
  return Number(hard) >= least
    ? ok(`Replies that a client does not read take ${sizeText(Number(hard))} at most.`)
    : problem(
        `Redis cuts connections with ${sizeText(Number(hard))} of replies (${name}), and streamgate reads up ` +
          `to ${sizeText(least)} at once: raise it, or lower MAX_PAYLOAD_BYTES.`,
      );
}

function clients({ info, settings, config }: RedisFacts): Verdict {
  const limit = number(settings, 'maxclients') || number(info, 'maxclients');
  const connected = number(info, 'connected_clients');
  if (!(limit > 0 && connected >= 0)) return undefined;
  const needed = OWN_CLIENTS + 2 * config.READER_THREADS + config.POOL_THREADS;
  return limit - connected >= needed
    ? ok(`${connected} of ${limit} clients are connected.`)
    : problem(
        `${connected} of ${limit} clients are connected, and streamgate needs up to ${needed}: raise maxclients.`,
      );
}

function timeout({ settings }: RedisFacts): Verdict {
  const seconds = number(settings, 'timeout');
  if (!(seconds > 0)) return undefined;
  return warning(
    `Redis closes connections that are idle for ${seconds} s, streamgate's among them, which costs a ` +
      'reconnection each time: set timeout 0.',
  );
}

/** Redis drops keys beyond its limit and reports them as changed, and each time their streams are read again. */
function tracking({ info, settings, config }: RedisFacts): Verdict {
  const name = 'tracking-table-max-keys';
  const limit = number(settings, name);
  if (!(limit >= 0)) return undefined;
  const items = info.get('tracking_total_items') ?? '0';
  const most = config.MAX_FOLLOWED_STREAMS;
  if (limit === 0 || limit >= most) {
    return ok(
      `Redis can track the changes of all streams that may be followed; it tracks ${items} keys now.`,
    );
  }
  return warning(
    `Redis tracks the changes of ${limit} keys at most (${name}) for all its clients, and up to ${most} streams may ` +
      `be followed (MAX_FOLLOWED_STREAMS): beyond, quiet streams are read again and again. Set ${name} to ${most} ` +
      'or more, or to 0.',
  );
}

function entrySize({ settings, config }: RedisFacts): Verdict {
  const limit = number(settings, 'proto-max-bulk-len');
  if (!(limit > 0) || limit >= config.MAX_PAYLOAD_BYTES) return undefined;
  return problem(
    `Redis closes a connection that sends more than ${sizeText(limit)} at once (proto-max-bulk-len), and ` +
      `streamgate takes entries of ${sizeText(config.MAX_PAYLOAD_BYTES)}: lower MAX_PAYLOAD_BYTES.`,
  );
}

function latency({ pingMs }: RedisFacts): Verdict {
  const finding = `Redis answers within ${pingMs.toFixed(pingMs < 10 ? 2 : 0)} ms`;
  if (pingMs > HOPELESS_PING_MS) {
    return problem(`${finding}, which every ack and every read waits for: run streamgate near Redis.`);
  }
  return pingMs > SLOW_PING_MS
    ? warning(`${finding}, which every ack and every read waits for: run streamgate near Redis.`)
    : ok(`${finding}.`);
}

function clock({ skewMs, config }: RedisFacts): Verdict {
  const off = Math.abs(skewMs);
  if (off < SKEW_MS) return ok("Redis' clock and this machine's agree.");
  const finding =
    `Redis' clock is ${(off / 1000).toFixed(1)} s ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's, ` +
    'by which the times of entries are checked';
  const advice = 'set both by NTP';
  return off > Math.max(MAX_SKEW_MS, config.MAX_FUTURE_MS)
    ? problem(`${finding}, so correct times are refused: ${advice}.`)
    : warning(`${finding}: ${advice}.`);
}

function rights({ refused }: RedisFacts): Verdict {
  if (refused.length === 0) return ok('The user of REDIS_URL may run all commands that streamgate uses.');
  const needed = refused.filter(({ isOptional }) => !isOptional);
  const commands = (needed.length > 0 ? needed : refused).map(
    ({ command, use }) => `${commandName(command)} (${use})`,
  );
  const message =
    `The user of REDIS_URL may not run ${[...new Set(commands)].join(', ')}: allow it the commands and their keys ` +
    'with ACL SETUSER.';
  return needed.length > 0 ? problem(message) : warning(message);
}

/** Of commands that are families, the member too. */
function commandName([name, member]: readonly string[]): string {
  return ['CLIENT', 'CLUSTER', 'CONFIG', 'SCRIPT', 'XINFO'].includes(name!) ? `${name} ${member}` : name!;
}

function visibility({ settings }: RedisFacts): Verdict {
  if (settings.size > 0) return undefined;
  return warning(
    'Redis does not report its settings (CONFIG GET is not allowed): check maxmemory-policy noeviction, ' +
      'appendonly yes and client-output-buffer-limit yourself.',
  );
}

export const REDIS_CHECKS: Checks<RedisFacts> = {
  version,
  loading,
  role,
  rights,
  visibility,
  eviction,
  memory,
  persistence,
  disk,
  replicas,
  'output-buffers': outputBuffers,
  clients,
  timeout,
  tracking,
  'entry-size': entrySize,
  latency,
  clock,
};

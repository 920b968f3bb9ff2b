/**
 * Every error reply of the supported servers (Redis 7.0 to 8.6, Valkey 8 and 9, Redict 7.3), and the failure that
 * a client gets for it. `docs/errors.md` shows this table.
 *
 * The first words were read out of the servers' binaries; the texts behind `ERR` are those of the commands that
 * the gateway sends, as far as they need a code of their own.
 */
import { Failure, type FailureCode } from '../protocol/errors.js';

interface ErrorReply {
  /** The first word of the reply. */
  readonly word: string;
  /** What the reply must contain as well; the first row that fits applies. */
  readonly text?: string;
  readonly code: FailureCode;
  /** What the client reads in place of Redis' own text, where that is misleading or names internal addresses. */
  readonly sentence?: string;
  /** When Redis replies this, as `docs/errors.md` says it. */
  readonly when: string;
}

const NOT_AFTER_NEWEST = "the entry's time is not after the newest entry of its stream";
/** Which node has what is internal, and changes. */
export const NOT_SERVED = 'the Redis Cluster does not serve this stream now';
const TOO_LARGE = 'the entry is larger than Redis takes (proto-max-bulk-len)';

export const ERROR_REPLIES: readonly ErrorReply[] = [
  {
    word: 'WRONGTYPE',
    code: 'wrong_type',
    sentence: 'the key exists and is not a stream',
    when: 'The key holds another type.',
  },
  {
    word: 'ERR',
    text: 'equal or smaller than the target stream top item',
    code: 'id_not_increasing',
    sentence: NOT_AFTER_NEWEST,
    when: 'The time of the entry is not after the newest entry.',
  },
  {
    word: 'ERR',
    text: 'must be greater than 0-0',
    code: 'id_not_increasing',
    sentence: NOT_AFTER_NEWEST,
    when: 'The id of the entry is 0-0.',
  },
  {
    word: 'ERR',
    // The limit on the size is 1 GiB, and MAX_PAYLOAD_BYTES is at most half of it.
    text: 'Elements are too large to be stored',
    code: 'id_not_increasing',
    sentence: NOT_AFTER_NEWEST,
    when: 'Redis 7.0: no sequence number is left in the millisecond of the entry.',
  },
  {
    word: 'ERR',
    text: 'exhausted the last possible ID',
    code: 'id_not_increasing',
    sentence: 'the newest entry of the stream has the last possible id, so nothing can be added after it',
    when: 'The newest entry has the largest possible id.',
  },
  {
    word: 'ERR',
    text: 'invalid bulk length',
    code: 'payload_too_large',
    sentence: TOO_LARGE,
    when: 'The entry is larger than `proto-max-bulk-len`. Redis then closes the connection.',
  },
  {
    word: 'ERR',
    text: 'string exceeds maximum allowed size',
    code: 'payload_too_large',
    sentence: TOO_LARGE,
    when: 'A value is larger than `proto-max-bulk-len`.',
  },
  {
    word: 'ERR',
    text: 'max number of clients',
    code: 'redis_unavailable',
    when: 'Redis has `maxclients` connections.',
  },
  {
    word: 'ERR',
    text: 'invalid password',
    code: 'redis_denied',
    when: 'The password is wrong.',
  },
  {
    word: 'ERR',
    text: 'called without any password configured',
    code: 'redis_denied',
    when: 'A password was sent to a server that has none.',
  },
  { word: 'ERR', code: 'redis_error', when: 'Anything else, such as an unknown command.' },
  { word: 'OOM', code: 'redis_out_of_memory', when: 'Redis is at `maxmemory`.' },
  { word: 'LOADING', code: 'redis_loading', when: 'Redis is reading its data.' },
  { word: 'READONLY', code: 'redis_read_only', when: 'The server is a replica.' },
  {
    word: 'MISCONF',
    code: 'redis_read_only',
    when: 'Redis cannot write its append-only file or snapshot, for example since the disk is full.',
  },
  {
    word: 'NOREPLICAS',
    code: 'redis_read_only',
    when: 'Fewer replicas than `min-replicas-to-write` are connected.',
  },
  {
    word: 'BUSY',
    code: 'redis_unavailable',
    sentence: 'Redis is busy with a script or a module and does not answer now',
    when: 'A script or module command runs for longer than `busy-reply-threshold`.',
  },
  {
    word: 'TRYAGAIN',
    code: 'redis_unavailable',
    sentence: NOT_SERVED,
    when: 'A cluster moves the slot of the keys.',
  },
  {
    word: 'CLUSTERDOWN',
    code: 'redis_unavailable',
    sentence: NOT_SERVED,
    when: 'A cluster is down or does not serve the slot.',
  },
  {
    word: 'MASTERDOWN',
    code: 'redis_unavailable',
    when: 'A replica has lost its master and may not serve stale data.',
  },
  {
    word: 'UNBLOCKED',
    code: 'redis_unavailable',
    when: 'A blocking command ended since the server became a replica.',
  },
  { word: 'INPROG', code: 'redis_unavailable', when: 'A failover is under way.' },
  { word: 'NOTREADY', code: 'redis_unavailable', when: 'A cluster is not ready to move slots.' },
  {
    word: 'IOERR',
    code: 'redis_unavailable',
    sentence: 'Redis lost its connection to another server',
    when: 'Redis lost its connection to another server.',
  },
  { word: 'NOMASTERLINK', code: 'redis_unavailable', when: 'A replica has no connection to its master.' },
  { word: 'NOGOODSLAVE', code: 'redis_unavailable', when: 'A Sentinel finds no replica to promote.' },
  {
    word: 'NOGOODPRIMARY',
    code: 'redis_unavailable',
    when: 'A Valkey Sentinel cannot fail over its primary.',
  },
  { word: 'NOQUORUM', code: 'redis_unavailable', when: 'Too few Sentinels are reachable.' },
  {
    word: 'NOAUTH',
    code: 'redis_denied',
    sentence: 'Redis requires a password: put it into REDIS_URL',
    when: 'Redis requires a password.',
  },
  {
    word: 'WRONGPASS',
    code: 'redis_denied',
    sentence: 'Redis does not accept the user and password of REDIS_URL',
    when: 'User or password is wrong.',
  },
  {
    word: 'NOPERM',
    code: 'redis_denied',
    when: 'The access list of the user does not allow the command or key.',
  },
  {
    word: 'DENIED',
    code: 'redis_denied',
    sentence: 'Redis is in protected mode: it has no password and takes connections of its own machine only',
    when: 'Redis is in protected mode and the gateway on another machine.',
  },
  {
    word: 'MOVED',
    code: 'redis_unavailable',
    sentence: NOT_SERVED,
    when: 'The key is on another node of the cluster, and was not found there in time.',
  },
  { word: 'ASK', code: 'redis_unavailable', sentence: NOT_SERVED, when: 'The same while a slot is moved.' },
  {
    word: 'REDIRECT',
    code: 'redis_unavailable',
    sentence: NOT_SERVED,
    when: 'A Valkey replica names its primary.',
  },
  {
    word: 'CROSSSLOT',
    code: 'redis_unavailable',
    sentence: NOT_SERVED,
    when: 'Keys of one command are in different slots of a cluster, though REDIS_URL seemed to name a single server.',
  },
  {
    word: 'EXECABORT',
    code: 'redis_error',
    when: 'A transaction was discarded. Where the reply names the reason, that decides.',
  },
  { word: 'NOSCRIPT', code: 'redis_error', when: 'A script is not known; it is then sent again whole.' },
  { word: 'NOPROTO', code: 'redis_error', when: 'The protocol version is not supported.' },
  { word: 'NOTBUSY', code: 'redis_error', when: 'No script runs that could be ended.' },
  { word: 'UNKILLABLE', code: 'redis_error', when: 'A script has written and cannot be ended.' },
  { word: 'NOGROUP', code: 'redis_error', when: 'There is no such consumer group.' },
  { word: 'BUSYGROUP', code: 'redis_error', when: 'The consumer group exists.' },
  { word: 'BUSYKEY', code: 'redis_error', when: 'The target key exists.' },
  { word: 'INVALIDOBJ', code: 'redis_error', when: 'A value is corrupt.' },
];

const ROWS = new Map<string, ErrorReply[]>();
for (const row of ERROR_REPLIES) ROWS.set(row.word, [...(ROWS.get(row.word) ?? []), row]);

/** Redis puts the reason for a discarded transaction behind this, as an error reply of its own. */
const DISCARDED = /^EXECABORT Transaction discarded because of: /;
/** Which of our scripts met the error, as Redis puts it behind. */
const IN_SCRIPT = /,? script: [0-9a-f]{40}, on @.*$/s;
/** What the first word of an error reply looks like; anything else is counted as one unknown word. */
const WORD = /^[A-Z][A-Z0-9_-]{0,39}$/;
const NO_WORD = '(none)';
/** A server that makes up words must not fill the log, nor our memory. */
const MAX_UNKNOWN_WORDS = 64;

const unknownWords = new Set<string>();
let reportUnknown: (word: string) => void = () => {};

/** Calls `report` with the first word of an error reply that the table lacks, once per word. */
export function watchUnknownReplies(report: (word: string) => void): void {
  reportUnknown = report;
}

/** Turns the text of a Redis error reply, such as `WRONGTYPE Operation …`, into a Failure. */
export function failureFromRedis(reply: string): Failure {
  const text = reply.replace(DISCARDED, '');
  const word = firstWord(text);
  const row = ROWS.get(word)?.find((each) => each.text === undefined || text.includes(each.text));
  if (row === undefined) noteUnknown(word);
  return new Failure(
    row?.code ?? 'redis_error',
    row?.sentence ?? `Redis refused: ${text.replace(/^ERR /, '').replace(IN_SCRIPT, '')}`,
  );
}

function firstWord(text: string): string {
  const end = text.indexOf(' ');
  return end < 0 ? text : text.slice(0, end);
}

function noteUnknown(firstWord: string): void {
  const word = WORD.test(firstWord) ? firstWord : NO_WORD;
  if (unknownWords.has(word) || unknownWords.size >= MAX_UNKNOWN_WORDS) return;
  unknownWords.add(word);
  reportUnknown(word);
}

/** What REST is compared by: each request of ours, the Redis command that it stands for, and Webdis' own. */
import { createHash } from 'node:crypto';
import type { HttpRequest } from '../load/http-load.js';

export interface Comparison {
  /** Of the figure. */
  readonly name: string;
  /** Requests under way at once, by ours and the rivals alike. */
  readonly connections: number;
  readonly ours: HttpRequest;
  readonly command: readonly string[];
  /** In order of preference; the first is taken whose answer holds the payload, where there is one to read. */
  readonly webdis: readonly HttpRequest[];
  /** Ours divided by Webdis. */
  readonly webdisTarget?: number;
  /** Ours divided by the command's rate. */
  readonly commandTarget: number;
  /** The streams that ours and Webdis store entries in. */
  readonly stored?: readonly [ours: string, webdis: string];
  /** Whether entries are written to `WAITED_KEY` meanwhile. */
  readonly isFed?: true;
}

export const PAYLOAD = 'x'.repeat(100);

const CONNECTIONS = 32;
const WAITING_CONNECTIONS = 100;
const MAX_LENGTH = '1000';
/** Is read and not written. */
export const READ_KEY = 'default:read';
export const READ_ENTRIES = 1000;
export const readId = (index: number) => `1-${index + 1}`;
/** Its number follows. */
export const WAITED_KEY = 'default:wait';

/**
 * Entries are arrays in arrays, of which Webdis 0.1.9 answers nothing but the outermost: there, a script
 * hands out an id and a payload side by side.
 */
/** To be loaded before. */
export const NEWEST_SCRIPT =
  "local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1] return {e[1], e[2][2]}";

const get = (path: string): HttpRequest => ({ method: 'GET', path });
/** Redis' own format is what it answers fastest. */
const raw = (...words: string[]) => get(`/${words.map(encodeURIComponent).join('/')}.raw`);
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');

export const COMPARISONS: readonly Comparison[] = [
  {
    name: 'REST POST, 100 B',
    connections: CONNECTIONS,
    ours: { method: 'POST', path: '/data/ours', body: PAYLOAD },
    command: ['XADD', 'default:ceiling', 'MAXLEN', '~', MAX_LENGTH, '*', 'd', PAYLOAD],
    webdis: [{ method: 'PUT', path: `/XADD/default:webdis/MAXLEN/~/${MAX_LENGTH}/*/d.raw`, body: PAYLOAD }],
    webdisTarget: 1.1,
    commandTarget: 0.4,
    stored: ['default:ours', 'default:webdis'],
  },
  {
    name: 'REST GET of the newest entry, 100 B',
    connections: CONNECTIONS,
    ours: get('/data/read?latest=1&last_entry_id=0&block=-1'),
    command: ['XREVRANGE', READ_KEY, '+', '-', 'COUNT', '1'],
    webdis: [
      raw('XREVRANGE', READ_KEY, '+', '-', 'COUNT', '1'),
      raw('EVALSHA', sha1(NEWEST_SCRIPT), '1', READ_KEY),
    ],
    webdisTarget: 1,
    commandTarget: 0.4,
  },
  {
    name: `REST GET that waits for a new entry, ${WAITING_CONNECTIONS} at once`,
    connections: WAITING_CONNECTIONS,
    ours: get('/data/wait0?block=5000'),
    command: ['XREAD', 'BLOCK', '5000', 'STREAMS', `${WAITED_KEY}0`, '$'],
    // Its connections to Redis are shared, and one that waits would hold up all others.
    webdis: [],
    commandTarget: 0.4,
    isFed: true,
  },
];

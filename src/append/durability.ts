/**
 * What an ack means on disk. An entry is acknowledged once Redis has it; whether it outlives Redis, or the
 * machine, is decided by Redis' own settings, which are read whenever a connection to it is made, and now
 * and then, since they can be changed while it runs.
 */
import type { Redis } from 'ioredis';
import { readSettings } from '../embedded/server-settings.js';
import type { Control } from '../redis/control.js';
import type { Logger } from '../system/logger.js';

export interface Durability {
  /** Whether Redis writes each command to its append-only file. */
  readonly appendonly: 'yes' | 'no' | 'unknown';
  /** When that file is written to the disk. */
  readonly appendfsync: 'always' | 'everysec' | 'no' | 'unknown';
  /** What can be lost of what was acknowledged: one sentence. */
  readonly meaning: string;
}

const READ_AGAIN_MS = 60_000;

const SYNC_MEANINGS: Readonly<Record<Durability['appendfsync'], string>> = {
  always: 'what is acknowledged is on the disk',
  everysec: 'a killed Redis loses nothing that is acknowledged, a power cut about the last second',
  no: 'a killed Redis loses nothing that is acknowledged, a power cut what the system had not written yet',
  unknown: 'a killed Redis loses nothing that is acknowledged; what a power cut loses is not known',
};

const NOT_REPORTED = 'Redis does not report what it keeps of what is acknowledged';
const NOTHING = 'nothing that is acknowledged outlives Redis';
const SNAPSHOTS = 'Redis loses what was acknowledged since its last snapshot whenever it is killed';

/** From what loses most to what loses least. What is not known comes after what is known to lose more. */
const MEANINGS: readonly string[] = [
  NOTHING,
  SNAPSHOTS,
  NOT_REPORTED,
  SYNC_MEANINGS.no,
  SYNC_MEANINGS.unknown,
  SYNC_MEANINGS.everysec,
  SYNC_MEANINGS.always,
];

function meaningOf(
  appendonly: Durability['appendonly'],
  appendfsync: Durability['appendfsync'],
  hasSnapshots: boolean,
): string {
  if (appendonly === 'yes') return SYNC_MEANINGS[appendfsync];
  if (appendonly === 'unknown') return NOT_REPORTED;
  return hasSnapshots ? SNAPSHOTS : NOTHING;
}

const UNKNOWN: Durability = { appendonly: 'unknown', appendfsync: 'unknown', meaning: NOT_REPORTED };

/** Of several servers the one that loses most: entries may be on any. */
export function weakest(servers: readonly Durability[]): Durability {
  const rankOf = ({ meaning }: Durability) => MEANINGS.indexOf(meaning);
  return servers.reduce((weak, server) => (rankOf(server) < rankOf(weak) ? server : weak));
}

const known = <T extends string>(value: string | undefined, values: readonly T[]): T | 'unknown' =>
  values.find((each) => each === value) ?? 'unknown';

/**
 * Asks Redis: CONFIG GET, or INFO where that is not allowed, which knows less.
 * @param isSyncedHere the gateway itself has the file written to the disk every second
 */
export async function readDurability(redis: Redis, isSyncedHere: boolean): Promise<Durability> {
  const settings = await readSettings(redis, ['appendonly', 'appendfsync', 'save']);
  const appendonly = known(settings.get('appendonly') ?? (await readAofEnabled(redis)), ['yes', 'no']);
  const appendfsync = isSyncedHere
    ? 'everysec'
    : known(settings.get('appendfsync'), ['always', 'everysec', 'no']);
  return {
    appendonly,
    appendfsync,
    // Where that is not told there may be some.
    meaning: meaningOf(appendonly, appendfsync, settings.get('save') !== ''),
  };
}

async function readAofEnabled(redis: Redis): Promise<string | undefined> {
  const info = await redis.info('persistence').catch(() => '');
  const enabled = /^aof_enabled:([01])/m.exec(info)?.[1];
  return enabled === undefined ? undefined : enabled === '1' ? 'yes' : 'no';
}

/** Keeps what an ack means up to date, and has the log tell it at first and whenever it changes. */
export class DurabilityWatch {
  readonly #control: Control;
  readonly #isSyncedHere: boolean;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  readonly #unlisten: () => void;
  current: Durability = UNKNOWN;
  #told: string | undefined;

  constructor(control: Control, isSyncedHere: boolean, logger: Logger) {
    this.#control = control;
    this.#isSyncedHere = isSyncedHere;
    this.#logger = logger;
    const read = () => void this.#read();
    this.#unlisten = control.onReady(read);
    this.#timer = setInterval(read, READ_AGAIN_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unlisten();
  }

  async #read(): Promise<void> {
    const isThere = ({ status }: Redis) => status === 'ready';
    const there = this.#control.masters().filter(isThere);
    const read = await Promise.all(
      there.map(async (redis) => ({ redis, known: await readDurability(redis, this.#isSyncedHere) })),
    );
    // Of one that is gone meanwhile nothing new is known.
    const certain = read.filter(({ redis }) => isThere(redis)).map(({ known }) => known);
    if (certain.length === 0) return;
    this.current = weakest(certain);
    const { appendonly, appendfsync, meaning } = this.current;
    const told = `${appendonly} ${appendfsync} ${meaning}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#logger.info({ appendonly, appendfsync }, `durability of acks: ${meaning}`);
  }
}

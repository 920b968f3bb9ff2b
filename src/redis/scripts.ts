/** Lua that runs in Redis, where only there can a thing be done at once or without moving frames. */
import type { Redis } from 'ioredis';

/** What Redis says where scripts as such are refused, be it to us or by a server that has none. */
export const NO_SCRIPTS = /^(NOPERM .*'eval(sha)?'|ERR unknown command)/;

/**
 * A stream's last generated id and how many entries were ever added to it, without the entries that XINFO STREAM
 * brings along. A missing key is an empty stream; a key of another type is Redis' own error.
 *
 * KEYS[1] the stream. Replies {last-generated-id, entries-added}.
 */
const TAIL_SCRIPT = `
if redis.call('EXISTS', KEYS[1]) == 0 then return {'0-0', 0} end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local last, added = '0-0', 0
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then last = info[i + 1] end
  if info[i] == 'entries-added' then added = info[i + 1] end
end
return {last, added}
`;

/**
 * The id of the newest entry up to an id, '' where there is none: the entry itself stays in Redis.
 *
 * KEYS[1] the stream. ARGV[1] the id, or `+`.
 */
const NEWEST_ID_SCRIPT = `
local newest = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', 1)[1]
return newest and newest[1] or ''
`;

/**
 * Whether entries after a cursor were, or may have been, removed before a read that begins there: nothing at
 * or before the cursor is left, though something was removed. What was removed is known by the entries that were
 * ever added.
 *
 * KEYS[1] the stream. ARGV[1] the cursor.
 * Replies 1 or 0.
 */
export const OVERTAKEN_SCRIPT = `
if #redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', 1) > 0 then return 0 end
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then return 0 end
local length, added = 0, -1
for i = 1, #info, 2 do
  if info[i] == 'length' then length = info[i + 1] end
  if info[i] == 'entries-added' then added = info[i + 1] end
end
return added == length and 0 or 1
`;

/**
 * Which streams end before the entry that was read of them last: they were deleted, made anew, or are back
 * in an older state. Redis tells that of a stream only along with its first and last entry, so a stream
 * is looked at closely only where its length has changed, or where that is asked for.
 *
 * KEYS the streams. ARGV for each its cursor, then the length that it had, `close` to look closely, or
 * `length` where nothing is known and only the length is wanted, if it is not 0.
 * Replies for each {length, last generated id}: -1 for a key that is no stream, '' for an id that is not before
 * the cursor, or was not looked at, and 0-0 for a missing key.
 */
export const ENDS_SCRIPT = `
local ends = {}
for k = 1, #KEYS do
  local cursor, known = ARGV[2 * k - 1], ARGV[2 * k]
  local length, last = redis.pcall('XLEN', KEYS[k]), ''
  if type(length) ~= 'number' then
    length = -1
  elseif tostring(length) ~= known and (length == 0
    or (known ~= 'length' and #redis.call('XREVRANGE', KEYS[k], '+', cursor, 'COUNT', 1) == 0)) then
    last = '0-0'
    local info = redis.pcall('XINFO', 'STREAM', KEYS[k])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then last = info[i + 1] end
    end
  end
  ends[k] = {length, last}
end
return ends
`;

/** What an entry's fields and values take. */
const SIZE_FUNCTION = `
local function size(entry)
  local bytes = 0
  if type(entry) == 'table' then for f = 1, #entry[2] do bytes = bytes + #entry[2][f] end end
  return bytes
end
`;

/**
 * XINFO STREAM of each key, with the ids of the first and last entry in place of the entries. A key that
 * gives an error has it as its only field. XINFO copies both entries within Redis, so the script ends early
 * where that has become much.
 *
 * KEYS the streams. ARGV[1] bytes that may be copied. Replies an array of arrays of names and values, of the
 * first keys.
 */
export const DESCRIBE_SCRIPT = `${SIZE_FUNCTION}
local all, copied = {}, 0
for k = 1, #KEYS do
  local info = redis.pcall('XINFO', 'STREAM', KEYS[k])
  if info.err then
    all[k] = {'error', info.err}
  else
    for i = 2, #info, 2 do
      local value = info[i]
      copied = copied + size(value)
      if type(value) == 'table' then info[i] = value[1] elseif not value then info[i] = '' end
    end
    all[k] = info
    if copied > tonumber(ARGV[1]) then return all end
  end
end
return all
`;

/**
 * Of what DESCRIBE_SCRIPT tells, lengths and newest ids alone, for which one entry of each stream is copied. A missing
 * key is an empty stream.
 */
export const NEWEST_IDS_SCRIPT = `${SIZE_FUNCTION}
local all, copied = {}, 0
for k = 1, #KEYS do
  local length = redis.pcall('XLEN', KEYS[k])
  local newest = length
  if type(length) == 'number' then newest = redis.pcall('XREVRANGE', KEYS[k], '+', '-', 'COUNT', 1) end
  if newest.err then
    all[k] = {'error', newest.err}
  else
    all[k] = {'length', length, 'last-entry', newest[1] and newest[1][1] or ''}
    copied = copied + size(newest[1])
    if copied > tonumber(ARGV[1]) then return all end
  end
end
return all
`;

/**
 * How streams stand that have changed since they were looked at. Only of those are entries copied, within Redis,
 * and the script ends early where that has become much.
 *
 * KEYS the streams. ARGV[1] bytes that may be copied, then for each stream the length and the newest id that are
 * known of it. Replies for each of the first ones: nothing where nothing has changed; {-1} for a key that is no
 * stream; else {length, entries added, newest id or '', bytes of its field d, or of all its values}.
 */
const SURVEY_SCRIPT = `
local function size(entry)
  local fields, all = entry and entry[2] or {}, 0
  for f = 1, #fields, 2 do
    if fields[f] == 'd' then return #fields[f + 1] end
    all = all + #fields[f + 1]
  end
  return all
end
local all, copied = {}, 0
for k = 1, #KEYS do
  local known, newest = ARGV[2 * k], ARGV[2 * k + 1]
  local length = redis.pcall('XLEN', KEYS[k])
  if type(length) ~= 'number' then
    all[k] = {-1}
  elseif tostring(length) == known and #redis.call('XREVRANGE', KEYS[k], '+', '(' .. newest, 'COUNT', 1) == 0 then
    all[k] = {}
  else
    local info = redis.pcall('XINFO', 'STREAM', KEYS[k])
    if info.err then
      all[k] = {-1}
    else
      local of = {}
      for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
      local last = of['last-entry']
      copied = copied + size(of['first-entry']) + size(last)
      all[k] = {length, of['entries-added'], last and last[1] or '', size(last)}
      if copied > tonumber(ARGV[1]) then return all end
    end
  end
end
return all
`;

/**
 * Sets a string key to ARGV[2] if it still holds ARGV[1] ('' for no key): a change that was worked out
 * from what was read is made only on that.
 *
 * KEYS[1] the key. Replies 1 if it was set.
 */
const REPLACE_SCRIPT = `
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
`;

/**
 * For scripts that write: Redis takes nothing back when a later step fails, so every key's type is looked
 * at first. And metadata that somebody else stored may be anything, while events must stay JSON.
 */
const DEVICE_FUNCTIONS = `
local function refuse(...)
  for k, wanted in ipairs({...}) do
    local found = redis.call('TYPE', KEYS[k]).ok
    if found ~= 'none' and found ~= wanted then
      return redis.error_reply('WRONGTYPE ' .. KEYS[k] .. ' is a ' .. found .. ' and not a ' .. wanted)
    end
  end
end
local function metadata(key)
  local text = redis.call('GET', key) or '{}'
  local ok, value = pcall(cjson.decode, text)
  if ok and type(value) == 'table' and string.match(text, '^%s*{') then return text end
  return '{}'
end
`;

/**
 * Connects a device and tells of it, all or nothing.
 *
 * KEYS connected set, seen set, the device's metadata, connected event, meta event.
 * ARGV device id, the id as JSON, metadata as JSON or '', maxlen of the events.
 * Replies {newly connected, newly seen, meta changed}.
 */
const CONNECT_SCRIPT = `${DEVICE_FUNCTIONS}
local refusal = refuse('set', 'set', 'string', 'stream', 'stream')
if refusal then return refusal end
local connected = redis.call('SADD', KEYS[1], ARGV[1])
local seen = redis.call('SADD', KEYS[2], ARGV[1])
local before = redis.call('GET', KEYS[3]) or ''
local changed = 0
if ARGV[3] ~= '' then
  if ARGV[3] ~= before then changed = 1 end
  redis.call('SET', KEYS[3], ARGV[3])
end
local meta = metadata(KEYS[3])
if connected == 1 then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', 'd',
    '{"device_id":' .. ARGV[2] .. ',"connected":true,"meta":' .. meta .. '}')
end
if changed == 1 then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', 'd',
    '{"device_id":' .. ARGV[2] .. ',"meta":' .. meta .. '}')
end
return {connected, seen, changed}
`;

/**
 * Disconnects a device and tells of it.
 *
 * KEYS connected set, the device's metadata, connected event. ARGV device id, the id as JSON, maxlen.
 * Replies {was connected}.
 */
const DISCONNECT_SCRIPT = `${DEVICE_FUNCTIONS}
local refusal = refuse('set', 'string', 'stream')
if refusal then return refusal end
local removed = redis.call('SREM', KEYS[1], ARGV[1])
if removed == 1 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'd',
    '{"device_id":' .. ARGV[2] .. ',"connected":false,"meta":' .. metadata(KEYS[2]) .. '}')
end
return {removed}
`;

/**
 * Sets a device's metadata and tells of it.
 *
 * KEYS seen set, the device's metadata, meta event. ARGV device id, the id as JSON, metadata, maxlen.
 * Replies {newly seen, meta changed}.
 */
const DEVICE_META_SCRIPT = `${DEVICE_FUNCTIONS}
local refusal = refuse('set', 'string', 'stream')
if refusal then return refusal end
local seen = redis.call('SADD', KEYS[1], ARGV[1])
local changed = 0
if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  changed = 1
  redis.call('SET', KEYS[2], ARGV[3])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'd',
    '{"device_id":' .. ARGV[2] .. ',"meta":' .. ARGV[3] .. '}')
end
return {seen, changed}
`;

declare module 'ioredis' {
  interface Redis {
    surveyStreams(...args: (string | number)[]): Promise<(string | number)[][]>;
    replaceValue(key: string, expected: string, value: string): Promise<number>;
    connectDevice(...args: (string | number)[]): Promise<[connected: number, seen: number, meta: number]>;
    disconnectDevice(...args: (string | number)[]): Promise<[removed: number]>;
    setDeviceMeta(...args: (string | number)[]): Promise<[seen: number, meta: number]>;
    streamTail(key: string): Promise<[lastGeneratedId: string, entriesAdded: number]>;
    newestEntryId(key: string, until: string): Promise<string>;
  }
  interface ChainableCommander {
    streamTail(key: string): ChainableCommander;
  }
}

const COMMANDS = {
  streamTail: { numberOfKeys: 1, lua: TAIL_SCRIPT, readOnly: true },
  newestEntryId: { numberOfKeys: 1, lua: NEWEST_ID_SCRIPT, readOnly: true },
  surveyStreams: { lua: SURVEY_SCRIPT, readOnly: true },
  replaceValue: { numberOfKeys: 1, lua: REPLACE_SCRIPT },
  connectDevice: { numberOfKeys: 5, lua: CONNECT_SCRIPT },
  disconnectDevice: { numberOfKeys: 3, lua: DISCONNECT_SCRIPT },
  setDeviceMeta: { numberOfKeys: 3, lua: DEVICE_META_SCRIPT },
};

/** Gives an ioredis client a command for each script; it sends their hashes, and their text when new. */
export function defineScripts(redis: Redis): void {
  for (const [name, definition] of Object.entries(COMMANDS)) redis.defineCommand(name, definition);
}

/**
 * Has the server know all scripts. ioredis sends the text of one that is not known a second time, which must not be
 * where the command before it counts, as ASKING does.
 */
export async function loadScripts(redis: Redis): Promise<void> {
  // Where that is not allowed, the server may know them all the same.
  await Promise.all(Object.values(COMMANDS).map(({ lua }) => redis.script('LOAD', lua).catch(() => {})));
}

/** What redis-server prints, as records of the gateway's own log. */

export interface RedisLogLine {
  readonly level: 'debug' | 'warn';
  readonly text: string;
}

/** `4475:M 22 Nov 2026 08:08:26.790 * text`: the mark before the text is its level, `#` a warning. */
const LINE = /^\d+:[A-Z] \d[^.]{1,60}:\d\d\.\d{3} ([.*#-]) (.*)$/;

/** Said by the handler of a signal, which has no level. */
const SIGNAL = /^\d+:signal-handler \(\d+\) (.*)$/;

/** Redis up to 7.0 greets and takes its leave in warnings. */
const ROUTINE =
  /Redis is starting|^Redis version=|^Configuration loaded|^Server initialized|^User requested shutdown|ready to exit/;

/** Redis' advice to cut off what it cannot read, which on the data of another program or release is all of it. */
const ADVICE = /make a backup|you can: 1\)/i;
const HARMFUL = /-check-(aof|rdb)/;
const SENTENCE_END = [':', '.'];

function withoutHarmfulAdvice(said: string): string {
  const start = said.search(ADVICE);
  if (start < 0 || !HARMFUL.test(said.slice(start))) return said;
  const before = said.slice(0, start).trimEnd();
  return SENTENCE_END.includes(before.at(-1) ?? '') ? before.slice(0, -1) : before;
}

/** Reads one line; one of no known form, such as those of a crash report, is a warning. */
export function readRedisLog(line: string): RedisLogLine {
  const signal = SIGNAL.exec(line);
  if (signal) return { level: 'debug', text: signal[1]! };
  const [, mark = '#', said = line] = LINE.exec(line) ?? [];
  const text = withoutHarmfulAdvice(said);
  return { level: mark === '#' && !ROUTINE.test(text) ? 'warn' : 'debug', text };
}

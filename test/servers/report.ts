/** The table of docs/servers.md: one row per server, replaced when that server was tested again. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Result } from './run.js';
import { SERVERS, type Server } from './servers.js';

const FILE = 'docs/servers.md';

/** Writes the row of `server`; the others stay. */
export async function recordResult(server: Server, result: Result): Promise<void> {
  const text = await readFile(FILE, 'utf8');
  await writeFile(FILE, withRow(text, server, result, new Date()));
}

/** @returns `text` with the row of `server` replaced */
export function withRow(
  text: string,
  server: Server,
  { version, passed, failed }: Result,
  now: Date,
): string {
  const date = now.toISOString().slice(0, 10);
  const row = [server.name, version, date, `${passed} of ${passed + failed.length}`, server.differences];
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`| ${server.name} |`));
  if (at < 0)
    throw new Error(`${FILE} has no row for ${server.name}; it needs one for each of ${SERVERS.length}`);
  lines[at] = `| ${row.join(' | ')} |`;
  return lines.join('\n');
}

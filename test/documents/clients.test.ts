/** The guides of both client libraries name all that their users can call. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/client/gateway-error.js';
import { Producer } from '../../src/client/push.js';
import { Streamgate } from '../../src/client/streamgate.js';
import { PYTHON } from '../support/machine.js';

/** What a guide names in code or in its snippets. */
function wordsOf(guide: string): Set<string> {
  const text = readFileSync(guide, 'utf8');
  const code = [...text.matchAll(/`[^`]+`|^```[\s\S]*?^```/gm)].map(([part]) => part).join(' ');
  return new Set(code.match(/\w+/g));
}

describe('the guide of the JavaScript client', () => {
  const words = wordsOf('docs/clients/javascript.md');

  test.each([Streamgate, Producer])('names every method of %o', ({ prototype }) => {
    const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
    expect(names.length).toBeGreaterThan(3);
    expect(names.filter((name) => !words.has(name))).toEqual([]);
  });

  test.each([
    ['pull.ts', 'PullOptions'],
    ['entry-range.ts', 'EntryRange'],
    ['push.ts', 'PushOptions'],
    ['push.ts', 'SendOptions'],
    ['rest.ts', 'ReadOptions'],
    ['rest.ts', 'ReadResult'],
    ['rest.ts', 'AppendOptions'],
    ['gap.ts', 'Gap'],
    ['entry.ts', 'Entry'],
    ['streamgate.ts', 'StreamgateOptions'],
  ])('names every field of %s, %s', (file, name) => {
    const source = readFileSync(`src/client/${file}`, 'utf8');
    const [, fields] = new RegExp(`interface ${name}\\b[^{]*\\{([\\s\\S]*?)^\\}`, 'm').exec(source)!;
    const names = [...fields!.matchAll(/^ {2}readonly (\w+)/gm)].map(([, field]) => field!);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((field) => !words.has(field))).toEqual([]);
  });

  test('names what an error has', () => {
    const names = Object.keys(new GatewayError('closed', 'x'));
    expect(names).toContain('mayPass');
    expect(names.filter((name) => name !== 'name' && !words.has(name))).toEqual([]);
  });
});

test('the guide of the Python client names every method and parameter', async () => {
  const list = `
import inspect, json, streamgate
print(json.dumps(sorted({
    word
    for kind in (streamgate.Streamgate, streamgate.Producer, streamgate.GatewayError, streamgate.Entry)
    for name, member in inspect.getmembers(kind)
    if not name.startswith('_') or name == '__init__' and kind is streamgate.Streamgate
    for word in [name, *(inspect.signature(member).parameters if inspect.isfunction(member) else [])]
} - {'__init__', 'self', 'args', 'with_traceback', 'add_note'})))`;
  const env = { ...process.env, PYTHONPATH: resolve('examples'), PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', list], { env });
  const names = JSON.parse(stdout) as string[];
  expect(names).toContain('max_in_flight_bytes');
  const words = wordsOf('docs/clients/python.md');
  expect(names.filter((name) => !words.has(name))).toEqual([]);
});

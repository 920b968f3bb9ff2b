/** The tokens file: JSON with a record for each token, none of which can be used without its secret. */

import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { StartError } from '../config/start-error.js';
import { ENTITLEMENT } from './rights.js';
import { isTokenId } from './tokens.js';

const RECORD = z.strictObject({
  id: z.string().refine(isTokenId, 'is not a token id'),
  /** Of the whole token, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits in lower case'),
  ...ENTITLEMENT,
  expires: z.iso.datetime({ offset: true }).optional(),
  created: z.iso.datetime({ offset: true }).optional(),
  note: z.string().max(1000).optional(),
});

const FILE = z
  .strictObject({ tokens: z.array(RECORD) })
  .refine(({ tokens }) => new Set(tokens.map(({ id }) => id)).size === tokens.length, 'has an id twice');

export type TokenRecord = z.output<typeof RECORD>;

/** The file cannot be read or is not what it should be; the message is one sentence and quotes nothing of it. */
export class TokenFileError extends StartError {}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** @throws TokenFileError */
export async function readTokenFile(path: string): Promise<TokenRecord[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new TokenFileError(
      codeOf(error) === 'ENOENT'
        ? `There is no tokens file ${path}; 'streamgate token create' makes one.`
        : `The tokens file ${path} cannot be read: ${codeOf(error)}.`,
    );
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new TokenFileError(`The tokens file ${path} is not JSON.`);
  }
  const checked = FILE.safeParse(content);
  if (!checked.success) {
    const { path: place, message } = checked.error.issues[0]!;
    throw new TokenFileError(`The tokens file ${path} is not valid: ${[...place, message].join(' ')}.`);
  }
  return checked.data.tokens;
}

/**
 * Changes the file, or makes it: for readers from one moment to the next, for its owner's eyes only. Of two
 * who change it at once one is refused, and neither's change is lost.
 * @throws TokenFileError
 */
export async function changeTokenFile(
  path: string,
  change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[],
): Promise<void> {
  // What stands behind a symbolic link is replaced, not the link.
  const target = await realpath(path).catch(() => path);
  const draft = `${target}.new`;
  const file = await open(draft, 'wx', 0o600).catch((error: unknown) => {
    throw new TokenFileError(
      codeOf(error) === 'EEXIST'
        ? `${draft} exists: another command is changing the tokens file. If none is running, delete it.`
        : `${draft} cannot be written: ${codeOf(error)}.`,
    );
  });
  try {
    const before = await stat(target).catch(() => undefined);
    const tokens = change(before === undefined ? [] : await readTokenFile(target));
    // Whom it belonged to is whom it is for; only root may give it away.
    if (before !== undefined && process.getuid?.() === 0) await file.chown(before.uid, before.gid);
    await file.writeFile(`${JSON.stringify({ tokens }, undefined, 2)}\n`);
    await file.sync();
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Which sources an output was built from: a build is up to date while both are byte for byte what they were.
 *
 * Contents are compared, not times: a git checkout changes the times of files that are the same, and an editor can
 * keep the time of one that is not.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The SHA-256 of every file below the given files and folders, by its path. What does not exist is left out.
 * @param {string} root the folder that the paths are relative to
 * @param {readonly string[]} paths
 * @returns {Record<string, string>}
 */
export function hashFiles(root, paths) {
  const files = paths.flatMap((path) => listFiles(root, path)).sort();
  return Object.fromEntries(files.map((file) => [file, hash(readFileSync(join(root, file)))]));
}

/** @param {string} root @param {string} path @returns {string[]} */
function listFiles(root, path) {
  const stats = statSync(join(root, path), { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (!stats.isDirectory()) return [path];
  return readdirSync(join(root, path)).flatMap((name) => listFiles(root, `${path}/${name}`));
}

/** @param {Buffer} bytes */
const hash = (bytes) => createHash('sha256').update(bytes).digest('base64');

/**
 * Whether the files are those of the manifest: none changed, none missing, none added.
 * @param {unknown} recorded the hashes of a manifest
 * @param {Record<string, string>} found
 */
export function areSame(recorded, found) {
  return JSON.stringify(recorded) === JSON.stringify(found);
}

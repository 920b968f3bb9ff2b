/** `npm run docs`: writes the tables of the documents that are made from the code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { GENERATED, withTables } from './doc-tables.js';

for (const path of Object.keys(GENERATED)) {
  writeFileSync(path, withTables(path, readFileSync(path, 'utf8')));
}

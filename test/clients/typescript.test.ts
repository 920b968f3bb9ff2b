import { resolve } from 'node:path';
import { testLibrary } from './library.js';

testLibrary(process.execPath, resolve('dist/test/clients/driver.js'));

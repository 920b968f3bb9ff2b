import { join } from 'node:path';
import { PYTHON } from '../support/machine.js';
import { testLibrary } from './library.js';

testLibrary(PYTHON, join(import.meta.dirname, 'driver.py'));

/** The package's version. */
import { createRequire } from 'node:module';

/** In the folder of `src/`, or of `dist/`, into which this is compiled. */
const PLACE = import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json';

export const { version: VERSION } = createRequire(import.meta.url)(PLACE) as { readonly version: string };

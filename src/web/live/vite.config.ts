/** Builds the live page, which stands at `/`. */
import { pageConfig } from '../page-config.js';

export default pageConfig('live');

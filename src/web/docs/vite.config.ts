/** Builds the reference of the API, which stands at `/docs`. */
import { pageConfig } from '../page-config.js';

export default pageConfig('docs');

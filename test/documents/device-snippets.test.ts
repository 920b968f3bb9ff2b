/** The snippets of the guides of cameras, sensors and browsers. */
import { OF_DEVICES, testSnippets } from './pages.js';

await testSnippets(OF_DEVICES);

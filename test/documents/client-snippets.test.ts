/** The snippets of the guides of both client libraries. */
import { OF_CLIENTS, testSnippets } from './pages.js';

await testSnippets(OF_CLIENTS);

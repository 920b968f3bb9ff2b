/** The page at `/graphql`: GraphiQL with the gateway's endpoint and the example tabs. */
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { EXAMPLES } from './examples.js';
import './json-variables.js';
import 'graphiql/style.css';
import './page.css';

// The page stands at the endpoint itself.
const endpoint = new URL(location.pathname, location.origin);
const socketEndpoint = new URL(endpoint);
socketEndpoint.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';

const fetcher = createGraphiQLFetcher({
  url: endpoint.href,
  // Sends with connection_init what stands in the tab for headers: a token, where the gateway wants one.
  subscriptionUrl: socketEndpoint.href,
});

createRoot(document.getElementById('graphiql')!).render(
  <GraphiQL
    fetcher={fetcher}
    defaultTabs={EXAMPLES}
    defaultEditorToolsVisibility="variables"
    // Or arguments by a deprecated name would be underlined as unknown.
    inputValueDeprecation
  >
    <GraphiQL.Logo>streamgate</GraphiQL.Logo>
  </GraphiQL>,
);

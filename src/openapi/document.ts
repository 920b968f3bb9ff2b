/** The whole description, OpenAPI 3.1: what `/openapi.json` answers, and the page at `/docs` shows. */
import { FAILURES } from '../protocol/errors.js';
import { DATA_PATHS } from './data-operations.js';
import { GRAPHQL_PATHS } from './graphql-operations.js';
import type { Description, Paths } from './model.js';
import { SCHEMAS } from './schemas.js';
import { GUARDED, SECURITY_SCHEMES } from './security.js';
import { SERVICE_PATHS } from './service-operations.js';
import { SOCKET_PATHS } from './socket-operations.js';
import { VIEW_PATHS } from './view-operations.js';

const DESCRIPTION = `Redis Streams behind REST, binary WebSockets and GraphQL on one port.

- **Parameters.** A wrong form is status 400, before anything is read or upgraded, and the error names the parameter. Unknown parameters are ignored; one given twice is refused. Booleans take 1/0, true/false, yes/no, on/off in any case.
- **Errors.** Bodies and acks carry \`{"error": "<sentence>", "code": "<code>"}\`; a closed WebSocket the close code and the sentence as its reason.
- **Methods.** HEAD works wherever GET does, OPTIONS everywhere, a trailing slash is the same address. Other methods are \`method_not_allowed\`.
- **Tokens.** Off unless access control is set up. A client brings its token in the header \`Authorization: Bearer …\`, or where it can set none, as browsers' WebSockets, as the subprotocol \`bearer.…\` beside any other, which is then the one that is chosen. As \`?token=\` only with \`ALLOW_TOKEN_IN_QUERY=1\`.
- **Pages of other origins** are let in as \`CORS_ORIGINS\` says, and then may read all headers that are described here.`;

const TAGS = [
  { name: 'Data', description: 'Entries of streams by plain HTTP.' },
  { name: 'WebSockets', description: 'Entries of streams as they come, in binary.' },
  { name: 'Views', description: 'Streams as what a browser shows by an address alone: pictures and events.' },
  { name: 'GraphQL', description: 'Devices, streams, metadata.' },
  { name: 'Gateway', description: 'The gateway itself. Nobody is asked for a token, but for the metrics.' },
] as const;

/** @param version of the package */
export function createDocument(version: string): Description {
  const paths: Paths = { ...DATA_PATHS, ...SOCKET_PATHS, ...VIEW_PATHS, ...GRAPHQL_PATHS, ...SERVICE_PATHS };
  return {
    openapi: '3.1.0',
    info: {
      title: 'streamgate',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description: DESCRIPTION,
    },
    servers: [{ url: '/' }],
    security: GUARDED,
    tags: TAGS,
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: SECURITY_SCHEMES,
    },
    'x-failures': FAILURES,
  };
}

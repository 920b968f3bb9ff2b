/** Who is let in, and how a token is brought. Access control is off unless it is set up. */
import type { Security, SecurityScheme } from './model.js';

export const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `streamgate token create`, or a JWT. Not needed while access control is off.',
  },
  subprotocol: {
    type: 'apiKey',
    in: 'header',
    name: 'sec-websocket-protocol',
    description:
      '`bearer.` and the token, beside any other subprotocol: browsers set no other header of a WebSocket.',
  },
  query: {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description: 'Only with `ALLOW_TOKEN_IN_QUERY=1`, since addresses end up in logs.',
  },
} as const satisfies Record<string, SecurityScheme>;

/** Nobody is asked, where access control is off; else one of the others is needed. */
export const GUARDED: Security = [{}, { bearer: [] }, { query: [] }];
export const GUARDED_SOCKET: Security = [...GUARDED, { subprotocol: [] }];
/** Nobody is ever asked. */
export const OPEN: Security = [];

/** Who asks: a request's token, wherever it may stand, and what it grants. */
import type { Grant } from '../../access/grant.js';
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';

/** What the subprotocol begins with that brings a token: browsers let a page set no other header of a WebSocket. */
const TOKEN_SUBPROTOCOL = 'bearer.';
/** Where `ALLOW_TOKEN_IN_QUERY` lets a token stand. */
const TOKEN_PARAMETER = 'token';

/** RFC 6750 §2.1. */
const BEARER = /^Bearer +(\S+)$/i;

/** The names that a WebSocket's client offers, in its order. */
export function offeredSubprotocols(exchange: Pick<HttpExchange, 'header'>): string[] {
  const offered = exchange.header('sec-websocket-protocol').split(',');
  return offered.map((name) => name.trim()).filter((name) => name !== '');
}

/** The subprotocol that a client offers first, '' where it offers none; never one that is a token. */
export function chooseSubprotocol(exchange: HttpExchange): string {
  return offeredSubprotocols(exchange).find((name) => !name.startsWith(TOKEN_SUBPROTOCOL)) ?? '';
}

/** The token of an Authorization header or the like; undefined where it is another scheme's. */
export function bearerToken(authorization: string): string | undefined {
  return BEARER.exec(authorization.trim())?.[1];
}

export function presentedToken({ config }: GatewayContext, exchange: HttpExchange): string | undefined {
  const inHeader = bearerToken(exchange.header('authorization'));
  if (inHeader !== undefined) return inHeader;
  const offered = offeredSubprotocols(exchange).find((name) => name.startsWith(TOKEN_SUBPROTOCOL));
  if (offered !== undefined) return offered.slice(TOKEN_SUBPROTOCOL.length);
  if (!config.ALLOW_TOKEN_IN_QUERY) return undefined;
  return new URLSearchParams(exchange.query).get(TOKEN_PARAMETER) ?? undefined;
}

/** @throws Failure, or rejects with one, where the request may not go on */
export function authenticate(context: GatewayContext, exchange: HttpExchange): Grant | Promise<Grant> {
  // Whatever token is sent, everybody is granted the same.
  if (!context.access.isOn) return context.access.authenticate(undefined);
  const grant = context.access.authenticate(presentedToken(context, exchange));
  const note = (known: Grant) => {
    exchange.token = known.name;
    return known;
  };
  return grant instanceof Promise ? grant.then(note) : note(grant);
}

/** Answers a request; `parameter` is the path's variable part, still encoded. */
export type Handler = (exchange: HttpExchange, parameter: string) => void | Promise<void>;

/** The same, for those that are granted something. */
export type GrantedHandler = (
  exchange: HttpExchange,
  grant: Grant,
  parameter: string,
) => void | Promise<void>;

/** What a request with a body is asked in two steps: whether it may be, and what comes of the body. */
export interface BodyHandler {
  /** Most bytes that are taken. */
  readonly limit: number;
  /** @returns takes the body, which is valid during the call only @throws Failure */
  prepare(exchange: HttpExchange, grant: Grant, parameter: string): (body: Uint8Array) => void;
}

/** Lets only those in who bring a token, where one is needed. */
export function withGrant(context: GatewayContext, handle: GrantedHandler): Handler {
  return (exchange, parameter) => {
    const grant = authenticate(context, exchange);
    if (grant instanceof Promise) return grant.then((known) => handle(exchange, known, parameter));
    return handle(exchange, grant, parameter);
  };
}

/** The same for requests with a body: the token is checked when the head has come, and again when the body has. */
export function withBody(context: GatewayContext, { limit, prepare }: BodyHandler): Handler {
  return (exchange, parameter) => {
    const grant = authenticate(context, exchange);
    if (!(grant instanceof Promise)) {
      const take = prepare(exchange, grant, parameter);
      exchange.readBody(limit, (body) => {
        grant.check();
        take(body);
      });
      return undefined;
    }
    // The body comes whether the token is checked or not: it is kept, and nothing is done with it before.
    const prepared = grant.then((known) => {
      const take = prepare(exchange, known, parameter);
      return (body: Uint8Array) => {
        known.check();
        take(body);
      };
    });
    exchange.readBody(limit, (body) => {
      const whole = body.slice();
      prepared.then(
        (take) => exchange.run(() => take(whole)),
        // Told already, below.
        () => {},
      );
    });
    return prepared.then(() => {});
  };
}

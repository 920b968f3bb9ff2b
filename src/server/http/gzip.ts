/** Whether a client takes answers packed by gzip. */
import type { HttpExchange } from './http-exchange.js';

/** By RFC 9110 §12.5.3, as browsers and tools write it. */
const TAKES_GZIP = /(?:^|[\s,])gzip(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i;

export const takesGzip = (exchange: Pick<HttpExchange, 'header'>): boolean =>
  TAKES_GZIP.test(exchange.header('accept-encoding'));

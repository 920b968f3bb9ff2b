/** `/openapi.json`: the description of all addresses, the same for everybody; it tells of no stream. */
import { gzipSync } from 'node:zlib';
import { createDocument } from '../../openapi/document.js';
import { VERSION } from '../../system/version.js';
import type { Handler } from '../admission/authorize.js';
import type { Header } from '../http/answer-head.js';
import { takesGzip } from '../http/gzip.js';

const HEADERS: readonly Header[] = [
  // Another version may stand there tomorrow.
  ['cache-control', 'no-cache'],
  ['vary', 'accept-encoding'],
];
const PACKED: readonly Header[] = [...HEADERS, ['content-encoding', 'gzip']];

export function createOpenApi(): Handler {
  const plain = Buffer.from(JSON.stringify(createDocument(VERSION)));
  // Ten times smaller.
  const packed = gzipSync(plain);
  return (exchange) => {
    const isPacked = takesGzip(exchange);
    exchange.answer({
      type: 'application/json',
      headers: isPacked ? PACKED : HEADERS,
      body: isPacked ? packed : plain,
    });
  };
}

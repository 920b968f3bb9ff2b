/** `/openapi.json`: the description of all addresses, the same for everybody; it tells of no stream. */
import { createDocument } from '../openapi/document.js';
import { VERSION } from '../version.js';
import type { Handler } from './authorize.js';
import type { Header } from './http-exchange.js';

/** Another version may stand there tomorrow. */
const ASK_AGAIN: Header = ['cache-control', 'no-cache'];

export function createOpenApi(): Handler {
  const body = Buffer.from(JSON.stringify(createDocument(VERSION)));
  return (exchange) => exchange.answer({ type: 'application/json', headers: [ASK_AGAIN], body });
}

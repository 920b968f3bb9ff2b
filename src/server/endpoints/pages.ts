/** The pages of the gateway, and what each may load. */
import type { HttpExchange } from '../http/http-exchange.js';
import { Site } from './site.js';

/** `live` stands at `/`, `graphiql` at `/graphql`, `docs` at `/docs`. */
export type Pages = Readonly<Record<'live' | 'graphiql' | 'docs', Site>>;

/** Those that are built. */
export async function loadPages(): Promise<Pages> {
  const [live, graphiql, docs] = await Promise.all([
    Site.load('live'),
    // Its fonts are data within its style sheet.
    Site.load('graphiql', { 'font-src': 'data:' }),
    Site.load('docs'),
  ]);
  return { live, graphiql, docs };
}

/** Whether a page is wanted rather than what programs are given at the same address. */
export function wantsPage(exchange: HttpExchange): boolean {
  return exchange.query === '' && exchange.header('accept').includes('text/html');
}

/** Where a token is needed, by the description and by a gateway with access control. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessFixture, allows, startAccessFixture } from '../support/access.js';
import type { RawAnswer } from '../support/http.js';
import { ask, DESCRIPTION, type Described, OPERATIONS, UPGRADE } from './described.js';

let fixture: AccessFixture<'all'>;

beforeAll(async () => {
  fixture = await startAccessFixture(
    { all: { rights: allows('read', 'write', 'meta', 'admin') } },
    { ALLOW_TOKEN_IN_QUERY: '1' },
  );
});

afterAll(() => fixture?.stop());

/** How a token is brought by each of the schemes. */
const BRING: Record<string, (token: string) => { headers?: Record<string, string>; query?: string }> = {
  bearer: (token) => ({ headers: { authorization: `Bearer ${token}` } }),
  subprotocol: (token) => ({ headers: { 'sec-websocket-protocol': `streamgate, bearer.${token}` } }),
  query: (token) => ({ query: `token=${token}` }),
};

function request(
  { path, method, operation }: Described,
  { headers = {}, query = '' }: ReturnType<(typeof BRING)[string]> = {},
): Promise<RawAnswer> {
  const isSocket = operation['x-websocket'] !== undefined;
  const isGraphql = path === '/graphql' && method === 'get';
  const parameters = [isGraphql ? 'query={streamIds}' : 'block=-1', query].filter((part) => part !== '');
  return ask(fixture.gateway.port, {
    method,
    path: `${path.replace('{sid}', 'cam')}?${parameters.join('&')}`,
    headers: { ...(isSocket && !isGraphql ? UPGRADE : {}), ...headers },
    ...(method === 'post' ? { body: 'x' } : {}),
  });
}

const schemes = Object.keys(DESCRIPTION.components.securitySchemes);
/** Unless the operation says otherwise, the whole document's. */
const securityOf = ({ operation }: Described) => operation.security ?? DESCRIPTION.security;

test('every scheme is tried', () => {
  expect(schemes.sort()).toEqual(Object.keys(BRING).sort());
  const named = OPERATIONS.flatMap(securityOf).flatMap((needed) => Object.keys(needed));
  expect(new Set(named)).toEqual(new Set(schemes));
});

test.each(OPERATIONS)('$id', async (described) => {
  const needed = securityOf(described);
  const { status, headers } = await request(described);
  if (needed.length === 0) {
    expect(status).not.toBe(401);
    return;
  }
  expect([status, headers['www-authenticate']]).toEqual([401, expect.stringContaining('Bearer')]);
  for (const scheme of needed.flatMap((each) => Object.keys(each))) {
    const answer = await request(described, BRING[scheme]!(fixture.tokens.all));
    expect([scheme, answer.status]).not.toEqual([scheme, 401]);
  }
});

/** What is kept of an address serves those who ask for it again, each by their own rights. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rights } from '../../../../src/access/rights.js';
import { Plans } from '../../../../src/server/endpoints/data/plans.js';
import type { HttpExchange } from '../../../../src/server/http/http-exchange.js';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../../../support/access.js';

const asked = (query: string) => ({ query }) as HttpExchange;
const everything = Rights.everything(true);
const ofDevice = (device: string) => new Rights({ device, rights: [] }, true);

describe('plans', () => {
  test('are found by the address and the device that it stands for', () => {
    const plans = new Plans<number>({ ALLOW_TOKEN_IN_QUERY: false });
    expect(plans.find(everything, 'x', asked('a=1'))).toBeUndefined();
    expect(plans.keep(everything, 'x', asked('a=1'), 1)).toBe(1);
    expect(plans.find(everything, 'x', asked('a=1'))).toBe(1);
    expect(plans.find(everything, 'x', asked('a=2'))).toBeUndefined();
    expect(plans.find(everything, 'y', asked('a=1'))).toBeUndefined();
    expect(plans.find(ofDevice('cam'), 'x', asked('a=1'))).toBeUndefined();
  });

  test('of devices and streams whose names run together are apart', () => {
    const plans = new Plans<number>({ ALLOW_TOKEN_IN_QUERY: false });
    plans.keep(ofDevice('a'), 'b', asked('c?d'), 1);
    plans.keep(ofDevice('a?b'), 'c', asked('d'), 2);
    expect(plans.find(ofDevice('a'), 'b', asked('c?d'))).toBe(1);
    expect(plans.find(ofDevice('a?b'), 'c', asked('d'))).toBe(2);
  });

  test('are few', () => {
    const plans = new Plans<number>({ ALLOW_TOKEN_IN_QUERY: false });
    for (let index = 0; index < 10_000; index++) plans.keep(everything, `x${index}`, asked(''), index);
    const kept = Array.from({ length: 10_000 }, (_, index) => plans.find(everything, `x${index}`, asked('')));
    const count = kept.filter((plan) => plan !== undefined).length;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(512);
    expect(kept.at(-1)).toBe(9999);
  });

  test('of long addresses are not kept', () => {
    const plans = new Plans<number>({ ALLOW_TOKEN_IN_QUERY: false });
    expect(plans.keep(everything, 'x'.repeat(1000), asked(''), 1)).toBe(1);
    expect(plans.find(everything, 'x'.repeat(1000), asked(''))).toBeUndefined();
  });

  test('of addresses that may hold a token are not kept', () => {
    const plans = new Plans<number>({ ALLOW_TOKEN_IN_QUERY: true });
    expect(plans.keep(everything, 'x', asked('token=t'), 1)).toBe(1);
    expect(plans.find(everything, 'x', asked('token=t'))).toBeUndefined();
  });
});

describe('an address that is asked for again', () => {
  const PLANS = {
    all: { rights: allows('read', 'write') },
    reader: { rights: allows('read') },
    none: { rights: [] },
    cam1: { device: 'cam1', rights: allows('read', 'write') },
    cam2: { device: 'cam2', rights: allows('read', 'write') },
    other: { rights: [{ device: 'other', actions: ['read', 'write'] as const }] },
  };
  type Name = keyof typeof PLANS;
  let fixture: AccessFixture<Name>;
  beforeAll(async () => {
    fixture = await startAccessFixture(PLANS as never);
  });
  afterAll(() => fixture.stop());

  const ask = async (name: Name, path: string, body?: string) => {
    const init = { headers: bearer(fixture.tokens[name]), ...(body && { method: 'POST', body }) };
    const answer = await fetch(`${fixture.gateway.http}${path}`, init);
    return [answer.status, await answer.text()] as const;
  };

  test('is answered by the rights of whoever asks, in any order', async () => {
    const refused = (text: string) => expect(JSON.parse(text)).toMatchObject({ code: 'forbidden' });
    for (let round = 0; round < 3; round++) {
      expect((await ask('all', '/data/shared?device_id=cam1', 'of all'))[0]).toBe(200);
      for (const name of ['reader', 'none', 'cam2', 'other'] as const) {
        const [status, text] = await ask(name, '/data/shared?device_id=cam1', `of ${name}`);
        expect(status).toBe(403);
        refused(text);
      }
      for (const path of [
        '/data/shared?device_id=cam1&last_entry_id=0',
        '/data/shared/latest?device_id=cam1',
      ]) {
        for (const name of ['all', 'reader', 'cam1'] as const) {
          expect(await ask(name, path)).toEqual([200, 'of all']);
        }
        for (const name of ['none', 'cam2', 'other'] as const) {
          const [status, text] = await ask(name, path);
          expect(status).toBe(403);
          refused(text);
        }
      }
    }
  });

  test('means the device of the token', async () => {
    for (let round = 0; round < 3; round++) {
      for (const name of ['cam1', 'cam2', 'all'] as const) {
        expect((await ask(name, '/data/own', `${name} ${round}`))[0]).toBe(200);
      }
      for (const name of ['cam2', 'all', 'cam1'] as const) {
        expect(await ask(name, '/data/own/latest')).toEqual([200, `${name} ${round}`]);
        expect(await ask(name, '/data/own?last_entry_id=0')).toEqual([200, `${name} 0`]);
      }
    }
  });

  test('to * is held to what each entry names', async () => {
    const form = (sid: string) => {
      const body = new FormData();
      body.append('entries', new Blob(['x']), sid);
      return body;
    };
    const post = async (name: Name, sid: string) => {
      const init = { method: 'POST', headers: bearer(fixture.tokens[name]), body: form(sid) };
      return (await fetch(`${fixture.gateway.http}/data/*?device_id=cam1`, init)).status;
    };
    for (let round = 0; round < 2; round++) {
      expect(await post('all', 'named')).toBe(200);
      expect(await post('cam1', 'named')).toBe(200);
      for (const name of ['reader', 'none', 'cam2', 'other'] as const)
        expect(await post(name, 'named')).toBe(403);
    }
  });
});

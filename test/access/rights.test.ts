import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ACTIONS, type Action, type Entitlement, type Right, Rights } from '../../src/access/rights.js';

const right = (actions: Action[], device = '*', stream = '*'): Right => ({ device, stream, actions });

const rights = (entitlement: Entitlement, devicePrefixing = true) => new Rights(entitlement, devicePrefixing);

/** Of some keys, those that may be read. */
const KEYS = [
  'default:cam',
  'default:camera',
  'cam1:cam',
  'cam1:front/cam',
  'cam10:cam',
  'cam2:cam1:cam',
  'bare',
  ':event:device.connected',
  ':cam1:cam',
];
const readable = (entitlement: Entitlement, devicePrefixing = true) =>
  KEYS.filter((key) => rights(entitlement, devicePrefixing).may('read', key));

test('what is allowed everywhere allows no other action', () => {
  const some = rights({ rights: [right(['read', 'meta']), right(['write'], 'cam1')] });
  expect(ACTIONS.map((action) => some.may(action, 'default:cam'))).toEqual([true, false, true, false]);
  expect(ACTIONS.map((action) => some.may(action, 'cam1:cam'))).toEqual([true, true, true, false]);
  const walled = rights({ device: 'cam1', rights: [right(['read'])] });
  expect(['cam1:cam', 'default:cam'].map((key) => walled.may('read', key))).toEqual([true, false]);
});

describe('which streams', () => {
  test.each<[string, Entitlement, string[]]>([
    ['all', { rights: [right(['read'])] }, KEYS],
    ['none', { rights: [] }, []],
    ['none of another action', { rights: [right(['write', 'meta', 'admin'])] }, []],
    ['of a device', { rights: [right(['read'], 'cam1')] }, ['cam1:cam', 'cam1:front/cam']],
    ['of devices', { rights: [right(['read'], 'cam1*')] }, ['cam1:cam', 'cam1:front/cam', 'cam10:cam']],
    ['by name', { rights: [right(['read'], '*', 'cam')] }, ['default:cam', 'cam1:cam', 'cam10:cam']],
    ['by name behind a prefix', { rights: [right(['read'], '*', 'front/*')] }, ['cam1:front/cam']],
    ['system streams', { rights: [right(['read'], '*', ':event:*')] }, [':event:device.connected']],
    ['no system streams for a device', { rights: [right(['read'], 'c*', ':*')] }, []],
    [
      'of several rights any',
      { rights: [right(['read'], 'cam1', 'cam'), right(['read', 'write'], 'default', 'camera')] },
      ['default:camera', 'cam1:cam'],
    ],
    ['within a wall', { device: 'cam1', rights: [right(['read'])] }, ['cam1:cam', 'cam1:front/cam']],
    ['a right does not climb a wall', { device: 'cam1', rights: [right(['read'], 'cam2')] }, []],
    ['nor a glob', { device: 'cam1', rights: [right(['read'], 'cam*', 'cam')] }, ['cam1:cam']],
    ['nor do system streams', { device: 'cam1', rights: [right(['read'], '*', ':*')] }, []],
  ])('%s', (_, entitlement, expected) => {
    expect(readable(entitlement)).toEqual(expected);
  });

  test('without device prefixes all are of the default device', () => {
    const withoutSystem = KEYS.filter((key) => !key.startsWith(':'));
    expect(readable({ rights: [right(['read'], 'default')] }, false)).toEqual(withoutSystem);
    expect(readable({ rights: [right(['read'], 'cam1')] }, false)).toEqual([]);
    expect(readable({ rights: [right(['read'], '*', 'cam1:*')] }, false)).toEqual([
      'cam1:cam',
      'cam1:front/cam',
    ]);
  });

  test('no action includes another', () => {
    for (const action of ACTIONS) {
      const one = rights({ rights: [right([action])] });
      expect(ACTIONS.filter((other) => one.may(other, 'default:x'))).toEqual([action]);
      expect(ACTIONS.filter((other) => one.mayAll(other))).toEqual([action]);
    }
  });

  test('beyond a wall there is nothing, whatever the rights and the key', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', ':', '*', '+', 'cam'), maxLength: 6 });
    const device = fc.constantFrom('a', 'b', 'cam', 'acam', '*', 'a*');
    const any = fc.record({
      device: fc.oneof(name, device),
      stream: name,
      actions: fc.constant<Action[]>([...ACTIONS]),
    });
    fc.assert(
      fc.property(device, fc.array(any), name, fc.constantFrom(...ACTIONS), (wall, list, key, action) => {
        const walled = rights({ device: wall, rights: [...list, right([...ACTIONS])] });
        expect(walled.may(action, key)).toBe(key.startsWith(`${wall}:`));
        if (!walled.may(action, key)) return;
        expect(`${wall}:${walled.nameOf(key)}`).toBe(key);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what concerns a device', () => {
  const some = rights({ rights: [right(['read', 'meta'], 'cam1'), right(['read', 'meta'], 'cam2', 'x*')] });
  const walled = rights({ device: 'cam1', rights: [right(['read', 'meta'])] });

  test('it is seen where one of its streams is', () => {
    expect(['cam1', 'cam2', 'cam3'].filter((device) => some.maySome('read', device))).toEqual([
      'cam1',
      'cam2',
    ]);
    expect(['cam1', 'cam2', 'cam3'].filter((device) => walled.maySome('read', device))).toEqual(['cam1']);
  });

  test('it is changed where all of its streams may be', () => {
    expect(() => some.checkDevice('meta', 'cam1')).not.toThrow();
    expect(() => walled.checkDevice('meta', 'cam1')).not.toThrow();
    for (const refuse of [
      () => some.checkDevice('meta', 'cam2'),
      () => some.checkDevice('write', 'cam1'),
      () => walled.checkDevice('meta', 'cam2'),
      () => walled.checkSome('read', 'cam2'),
      () => walled.checkWall('cam2'),
    ]) {
      expect(refuse).toThrow(expect.objectContaining({ code: 'forbidden' }));
    }
  });

  test('a request that names none means the one that the token is for', () => {
    expect(walled.home).toBe('cam1');
    expect(some.home).toBe('default');
  });
});

describe('everything', () => {
  test.each<[string, Entitlement, boolean]>([
    ['all of all', { rights: [right(['admin'])] }, true],
    ['all of some', { rights: [right(['admin'], 'cam*')] }, false],
    ['some of all', { rights: [right(['admin'], '*', 'x*')] }, false],
    ['another action', { rights: [right(['read'])] }, false],
    ['all within a wall', { device: 'cam1', rights: [right(['admin'], 'cam1')] }, true],
    ['some within a wall', { device: 'cam1', rights: [right(['admin'], '*', 'x')] }, false],
    ['nothing within a wall', { device: 'cam1', rights: [right(['admin'], 'cam2')] }, false],
  ])('%s: %s', (_, entitlement, expected) => {
    expect(rights(entitlement).mayAll('admin')).toBe(expected);
  });
});

test('a refusal says what is not allowed, by the name that the client gave', () => {
  const none = rights({ device: 'cam1', rights: [] });
  expect(() => none.check('write', 'cam1:x', 'x')).toThrow("this token may not write to 'x'");
  expect(() => none.checkWall('cam2')).toThrow("this token is for another device than 'cam2'");
});

import { describe, expect, test } from 'vitest';
import { HostCheck } from '../../../src/server/admission/host-check.js';

const ALWAYS = [
  'localhost',
  'LOCALHOST',
  'localhost:8000',
  'localhost.',
  'app.localhost',
  '127.0.0.1',
  '127.1.2.3:80',
  '[::1]',
  '[::1]:8000',
];
const LOCAL = [
  '10.0.0.1',
  '192.168.1.5:8000',
  '[fe80::1]',
  '[2001:db8::1]:80',
  'gateway',
  'gateway:8000',
  'nas.local',
  'nas.lan',
  'x.home.arpa',
];
const STRANGERS = [
  '',
  'evil.test',
  'evil.test:8000',
  'localhost.evil.test',
  'evil-localhost.test',
  '127.0.0.1.evil.test',
  'evil.test@localhost',
  'localhost:8000@evil.test',
  'localhost:80:80',
  'local.evil',
  '[::1].evil.test',
  '[::1',
  '[::1].',
  'lan.evil.test',
];

describe('a gateway that everybody may use', () => {
  test.each(['127.0.0.1', '::1', 'localhost'])('on %s answers to the names of loopback only', (address) => {
    const check = new HostCheck(undefined, address, true);
    expect(ALWAYS.filter((host) => !check.allows(host))).toEqual([]);
    expect([...LOCAL, ...STRANGERS].filter((host) => check.allows(host))).toEqual([]);
  });

  test.each(['0.0.0.0', '::', '10.0.0.1'])('on %s answers to what nobody can register, too', (address) => {
    const check = new HostCheck(undefined, address, true);
    expect([...ALWAYS, ...LOCAL].filter((host) => !check.allows(host))).toEqual([]);
    expect(STRANGERS.filter((host) => check.allows(host))).toEqual([]);
  });

  test('answers to the names that it is given', () => {
    const check = new HostCheck(['gateway.example.org'], '127.0.0.1', true);
    expect(
      ['gateway.example.org', 'Gateway.Example.Org:8000', 'localhost'].every((host) => check.allows(host)),
    ).toBe(true);
    expect(
      ['example.org', 'x.gateway.example.org', 'gateway.example.org.evil.test'].some((host) =>
        check.allows(host),
      ),
    ).toBe(false);
  });

  test('answers to no other name once it has answered to one of its own', () => {
    const check = new HostCheck(undefined, '127.0.0.1', true);
    for (let round = 0; round < 3; round++) {
      expect(check.allows('localhost:8000')).toBe(true);
      expect(check.allows('evil.test')).toBe(false);
      expect(check.allows('evil.test')).toBe(false);
    }
  });

  test('answers to any name with *', () => {
    const check = new HostCheck(['*'], '127.0.0.1', true);
    expect(STRANGERS.every((host) => check.allows(host))).toBe(true);
  });
});

test('where a token is needed any name will do', () => {
  const check = new HostCheck(undefined, '127.0.0.1', false);
  expect([...ALWAYS, ...LOCAL, ...STRANGERS].every((host) => check.allows(host))).toBe(true);
});

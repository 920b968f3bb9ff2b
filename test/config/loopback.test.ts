import { expect, test } from 'vitest';
import { isLoopback } from '../../src/config/loopback.js';

test.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.10', '::1', '[::1]', '::ffff:127.0.0.1'])(
  '%s is reached from this machine only',
  (host) => expect(isLoopback(host)).toBe(true),
);

test.each(['0.0.0.0', '::', '10.0.0.1', 'localhost.example.org', '127.0.0.1.example.org', '128.0.0.1', ''])(
  '%s may be reached from others',
  (host) => expect(isLoopback(host)).toBe(false),
);

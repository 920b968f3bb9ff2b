#!/usr/bin/env bash
# ioredis 6.0.0, option `disableClientInfo`, with Sentinels.
#
# Guess: `disableClientInfo: true` keeps CLIENT SETINFO from every connection that the client makes.
# Seen: the option holds for the master alone. To each Sentinel ioredis still sends both CLIENT SETINFO commands, and it
#   takes no option of its own for them. They are not waited for, and their errors are swallowed.
# What follows: do not count on the option where an ACL of the Sentinels, or an alarm on refused commands, matters.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund ioredis@6.0.0 >/dev/null
cat >run.cjs <<'JS'
const assert = require('node:assert/strict');
const { createServer } = require('node:net');
const { Redis } = require('ioredis');

/** Answers as a Sentinel or a master does, as far as the client asks, and notes each command. */
function serve(answers) {
  const commands = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      for (const text of bytes.toString().split(/\*\d+\r\n/).filter(Boolean)) {
        const command = text.split('\r\n').filter((_, index) => index % 2 === 1).join(' ');
        commands.push(command);
        const known = Object.keys(answers).find((start) => command.toLowerCase().startsWith(start));
        socket.write(known === undefined ? '+OK\r\n' : answers[known]());
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ commands, port: server.address().port, close: () => server.close() }));
  });
}

const bulk = (text) => `$${text.length}\r\n${text}\r\n`;
const setInfo = ({ commands }) => commands.filter((command) => /setinfo/i.test(command)).length;

(async () => {
  const master = await serve({ role: () => `*1\r\n${bulk('master')}` });
  const sentinel = await serve({
    'sentinel get-master-addr-by-name': () => `*2\r\n${bulk('127.0.0.1')}${bulk(String(master.port))}`,
    'sentinel sentinels': () => '*0\r\n',
  });
  for (const disableClientInfo of [false, true]) {
    master.commands.length = sentinel.commands.length = 0;
    const redis = new Redis({
      sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
      name: 'm',
      enableReadyCheck: false,
      disableClientInfo,
    });
    await redis.ping();
    const seen = { master: setInfo(master), sentinel: setInfo(sentinel) };
    console.log(`disableClientInfo ${disableClientInfo}: CLIENT SETINFO`, seen);
    assert.deepEqual(seen, { master: disableClientInfo ? 0 : 2, sentinel: 2 });
    redis.disconnect();
  }
  master.close();
  sentinel.close();
  setTimeout(() => process.exit(), 100);
})();
JS
node run.cjs

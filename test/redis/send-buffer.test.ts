import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writevSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enlargeSendBuffer } from '../../src/redis/send-buffer.js';
import { handleOf } from '../../src/redis/socket-handle.js';

const BYTES = 2 * 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'sg-send-buffer-'));
const path = join(folder, 's');
/** What the server has accepted; it reads nothing. */
const accepted: Socket[] = [];
const server = createServer({ pauseOnConnect: true }, (socket) => {
  socket.on('error', () => {});
  accepted.push(socket);
});

beforeAll(async () => {
  await once(server.listen(path), 'listening');
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** A socket that has connected. @param connected called within the event */
async function open(connected: (socket: Socket) => void): Promise<Socket> {
  const socket = connect(path);
  socket.once('connect', () => connected(socket));
  await once(socket, 'connect');
  return socket;
}

/** @returns how many bytes the kernel takes */
function fill(socket: Socket): number {
  const piece = Buffer.alloc(16 * 1024);
  let bytes = 0;
  try {
    for (;;) bytes += writevSync(handleOf(socket)!.fd!, [piece]);
  } catch (error) {
    expect(error).toMatchObject({ code: 'EAGAIN' });
    return bytes;
  }
}

const openDescriptors = () => readdirSync('/proc/self/fd').length;

async function close(socket: Socket): Promise<void> {
  const closed = once(socket, 'close');
  socket.destroy();
  await closed;
}

test('the kernel holds more', async () => {
  const plain = await open(() => {});
  const enlarged = await open((socket) => enlargeSendBuffer(socket, BYTES));
  // Where net.core.wmem_max is as large as what a socket has anyhow, it is twice as much.
  expect(fill(enlarged)).toBeGreaterThan(1.5 * fill(plain));
  await close(plain);
  await close(enlarged);
});

test('what is written arrives, and what is answered', async () => {
  const echo = createServer((socket) => socket.pipe(socket));
  const address = join(folder, 'echo');
  await once(echo.listen(address), 'listening');
  const socket = connect(address);
  socket.once('connect', () => enlargeSendBuffer(socket, BYTES));
  const sent = Buffer.alloc(3_000_000, 'abcdefg');
  socket.end(sent);
  const pieces = (await socket.toArray()) as Buffer[];
  expect(Buffer.concat(pieces).equals(sent)).toBe(true);
  echo.close();
});

test('a socket that has its buffer enlarged leaves no descriptor behind, and closes only its own', async () => {
  for (const socket of accepted.splice(0)) socket.destroy();
  const before = openDescriptors();
  for (let round = 0; round < 50; round++) {
    const socket = await open((opened) => enlargeSendBuffer(opened, BYTES));
    await close(socket);
    // It gets the number that has become free.
    const other = openSync('/dev/zero', 'r');
    await turn();
    expect(readSync(other, Buffer.alloc(1))).toBe(1);
    closeSync(other);
  }
  await expect.poll(() => accepted.length).toBeGreaterThanOrEqual(50);
  for (const socket of accepted.splice(0)) socket.destroy();
  expect(openDescriptors()).toBeLessThanOrEqual(before);
});

test('a file that gets the number right after the socket was closed stays open', async () => {
  const files: number[] = [];
  let number: number | undefined;
  const socket = await open((opened) => {
    const handle = handleOf(opened)!;
    number = handle.fd;
    const { close } = handle;
    handle.close = (whenClosed) => {
      close.call(handle, whenClosed);
      // As another thread may do at this moment.
      while (!files.includes(number!)) files.push(openSync('/dev/zero', 'r'));
    };
    enlargeSendBuffer(opened, BYTES);
  });
  await close(socket);
  expect(files).toContain(number);
  for (const file of files) {
    expect(readSync(file, Buffer.alloc(1))).toBe(1);
    closeSync(file);
  }
});

test('a socket that is read already is left as it is', async () => {
  const socket = await open(() => {});
  await turn();
  enlargeSendBuffer(socket, BYTES);
  const plain = await open(() => {});
  expect(fill(socket)).toBe(fill(plain));
  await close(socket);
  await close(plain);
});

test('a closed socket, and one that has no descriptor, are left as they are', async () => {
  const closed = await open(() => {});
  await close(closed);
  const refused = connect(join(folder, 'nothing'));
  refused.on('error', () => {});
  const before = openDescriptors();
  enlargeSendBuffer(closed, BYTES);
  enlargeSendBuffer(refused, BYTES);
  await close(refused);
  expect(openDescriptors()).toBeLessThanOrEqual(before);
});

test('nothing is done in another thread than the main one, which may be ended while its sockets are open', async () => {
  const code = `
    const { connect } = require('node:net');
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ enlargeSendBuffer }) => {
      const socket = connect(workerData.path);
      socket.once('connect', () => {
        const { close } = socket._handle;
        enlargeSendBuffer(socket, ${BYTES});
        parentPort.postMessage(socket._handle.close === close);
        socket.destroy();
      });
    });`;
  const module = resolve('dist/src/redis/send-buffer.js');
  const worker = new Worker(code, { eval: true, workerData: { module, path } });
  expect(await once(worker, 'message')).toEqual([true]);
  await worker.terminate();
});

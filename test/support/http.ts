/** Requests to the data endpoints: `fetch` for what it can say, raw bytes for what it cannot. */
import { connect } from 'node:net';
import { expect } from 'vitest';

/** What a refused request is told. */
export interface Refused {
  readonly status: number;
  readonly code: string;
  readonly error: string;
  /** Of a request whose entries were stored in part: what became of each. */
  readonly entries?: readonly (string | { readonly code: string; readonly error: string })[];
}

/** What a read was answered. */
export interface ReadAnswer {
  readonly entries: readonly (readonly [sid: string, id: string, payload: string])[];
  readonly lastEntryId: string;
  readonly response: Response;
}

export async function refused(response: Response): Promise<Refused> {
  expect(response.headers.get('content-type')).toBe('application/json');
  return { status: response.status, ...((await response.json()) as Omit<Refused, 'status'>) };
}

/** Stores what must be taken. @returns the ids */
export async function postEntries(
  address: string,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
): Promise<string[]> {
  const response = await fetch(address, { method: 'POST', body, headers });
  const text = await response.text();
  expect([response.status, text]).toEqual([200, expect.any(String)]);
  return JSON.parse(text) as string[];
}

/** Reads entries and cuts the body where `x-offsets` says that they start. */
export async function readEntries(address: string): Promise<ReadAnswer> {
  const response = await fetch(address);
  const body = Buffer.from(await response.arrayBuffer());
  expect([response.status, response.status === 200 ? '' : body.toString()]).toEqual([200, '']);
  const rows = JSON.parse(response.headers.get('x-offsets')!) as [string, string, number][];
  return {
    entries: rows.map(([sid, id, start], index) => [
      sid,
      id,
      body.subarray(start, rows[index + 1]?.[2]).toString(),
    ]),
    lastEntryId: response.headers.get('x-last-entry-id')!,
    response,
  };
}

export const FORM_BOUNDARY = 'the-boundary';
export const FORM_TYPE = `multipart/form-data; boundary=${FORM_BOUNDARY}`;

/** A form of parts given by their Content-Disposition and content. */
export function formBody(
  ...parts: readonly (readonly [disposition: string, content: string | Uint8Array])[]
): Buffer<ArrayBuffer> {
  const written = parts.flatMap(([disposition, content]) => [
    Buffer.from(`--${FORM_BOUNDARY}\r\nContent-Disposition: ${disposition}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...written, Buffer.from(`--${FORM_BOUNDARY}--\r\n`)]);
}

export interface RawAnswer {
  readonly status: number;
  /** As they came, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends bytes as they are on a connection of their own, and reads one answer.
 * @returns undefined where the connection was closed without one
 */
export function sendRaw(port: number, request: string | Uint8Array): Promise<RawAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const answer = parseAnswer(received);
      if (answer === undefined) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(undefined));
  });
}

function parseAnswer(received: string): RawAnswer | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine, ...lines] = received.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = received.slice(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return undefined;
  return { status: Number(statusLine!.split(' ')[1]), headers, body };
}

import { expect, test } from 'vitest';
import { readEvents } from '../../src/client/event-stream.js';

const bytes = (text: string) => new TextEncoder().encode(text);

test('events come whole, however their bytes are cut', async () => {
  const text = ': hello\n\nevent: overview\ndata: {"ä":\ndata: 1}\r\n\r\ndata: x\n\nevent: lost\ndata: y';
  const encoded = bytes(text);
  for (const size of [1, 2, 7, 1000]) {
    const chunks = Array.from({ length: Math.ceil(encoded.length / size) }, (_, index) =>
      encoded.subarray(index * size, (index + 1) * size),
    );
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const events: unknown[] = [];
    for await (const event of readEvents(body)) events.push(event);
    expect(events).toEqual([
      { event: 'overview', data: '{"ä":\n1}' },
      { event: 'message', data: 'x' },
    ]);
  }
});

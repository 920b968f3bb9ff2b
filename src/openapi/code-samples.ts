/** Code to start from, by operation; each is run by a test or was run by hand. Text: none of it runs here. */
import type { CodeSample } from './model.js';

export const SAMPLES = {
  appendEntries: [
    { lang: 'curl', source: 'curl --data-binary @frame.jpg http://localhost:8000/data/cam' },
    {
      lang: 'curl',
      source: 'curl -F entries=@a.jpg -F entries=@b.jpg http://localhost:8000/data/cam',
    },
    {
      lang: 'curl',
      source:
        "curl -F 'entries=@a.jpg;filename=left' -F 'entries=@b.jpg;filename=right' 'http://localhost:8000/data/*'",
    },
    {
      lang: 'Python',
      source: `import requests

frame = open('frame.jpg', 'rb').read()
ids = requests.post('http://localhost:8000/data/cam', data=frame).json()`,
    },
    {
      lang: 'JavaScript',
      source: `const response = await fetch('http://localhost:8000/data/cam', { method: 'POST', body: frame });
const [id] = await response.json();`,
    },
  ],
  readEntries: [
    {
      lang: 'curl',
      source: "curl -i 'http://localhost:8000/data/cam?last_entry_id=0&latest=1' -o newest.jpg",
    },
    { lang: 'curl', source: "curl -i 'http://localhost:8000/data/cam?block=5000' -o next.jpg" },
    {
      lang: 'Python',
      source: `import requests

address, cursor = 'http://localhost:8000/data/cam', '0'
while True:
    answer = requests.get(address, params={'last_entry_id': cursor, 'block': 5000})
    cursor = answer.headers['x-last-entry-id']
    if answer.content:
        print(cursor, len(answer.content))`,
    },
  ],
  latestEntry: [
    { lang: 'HTML', source: '<img src="http://localhost:8000/data/cam/latest">' },
    { lang: 'curl', source: 'curl http://localhost:8000/data/cam/latest -o newest.jpg' },
    { lang: 'curl', source: "curl 'http://localhost:8000/data/cam/latest?after=$&block=5000' -o next.jpg" },
  ],
  playPictures: [{ lang: 'HTML', source: '<img src="http://localhost:8000/data/cam/mjpeg?max_fps=10">' }],
  followEvents: [
    {
      lang: 'JavaScript',
      source: `const events = new EventSource('http://localhost:8000/data/temperature/events?last_entry_id=0');
events.onmessage = ({ data, lastEventId }) => console.log(lastEventId, data);`,
    },
    {
      lang: 'Python',
      source: `import requests

answer = requests.get('http://localhost:8000/data/temperature/events', stream=True)
for line in answer.iter_lines(decode_unicode=True):
    print(line)`,
    },
  ],
  overview: [
    {
      lang: 'JavaScript',
      source: `const overview = new EventSource('http://localhost:8000/overview');
overview.addEventListener('overview', ({ data }) => console.table(JSON.parse(data).streams));`,
    },
  ],
  pushEntries: [
    {
      lang: 'Python',
      source: `import websockets

async def send(sid, frames):
    async with websockets.connect(f'ws://localhost:8000/data/{sid}/push?header=0') as ws:
        async for frame in frames:
            await ws.send(frame)          # each frame is one entry`,
    },
    {
      lang: 'JavaScript',
      source: `const ws = new WebSocket('ws://localhost:8000/data/cam/push?ack=1');
ws.onmessage = ({ data }) => console.log('stored as', JSON.parse(data));   // ["1795336103800-0"]
ws.onopen = () => {
  ws.send(JSON.stringify([frame.byteLength]));   // where each entry ends in the payload
  ws.send(frame);
};`,
    },
  ],
  followStreams: [
    {
      lang: 'Python',
      source: `import json, websockets

async def follow(sid):
    async with websockets.connect(f'ws://localhost:8000/data/{sid}/pull', max_size=None) as ws:
        while True:
            header = json.loads(await ws.recv())   # [[sid, id, start], …]; [] when nothing came for 5 s
            entries = await ws.recv()              # the entries' bytes, one after the other
            sids, ids, offsets = tuple(zip(*header)) or ((),)*3
            for sid, id, start, end in zip(sids, ids, offsets, offsets[1:] + (None,)):
                print(sid, id, len(entries[start:end]))`,
    },
    {
      lang: 'JavaScript',
      source: `const ws = new WebSocket('ws://localhost:8000/data/cam/pull?header=0&latest=1');
ws.binaryType = 'arraybuffer';
ws.onmessage = ({ data }) => show(data);   // the newest frame, nothing but its bytes`,
    },
  ],
  graphqlQuery: [
    {
      lang: 'curl',
      source:
        "curl -G http://localhost:8000/graphql -H 'Accept: application/json' --data-urlencode 'query={ streamIds }'",
    },
  ],
  graphqlRequest: [
    {
      lang: 'curl',
      source: `curl http://localhost:8000/graphql -H 'Content-Type: application/json' \\
  -d '{"query": "{ devices { id meta streams { id length lastEntryTime } } }"}'`,
    },
    {
      lang: 'Python',
      source: `import requests

query = '{ devices { id meta streams { id length lastEntryTime } } }'
print(requests.post('http://localhost:8000/graphql', json={'query': query}).json())`,
    },
  ],
  healthz: [{ lang: 'curl', source: 'curl http://localhost:8000/healthz' }],
  readyz: [{ lang: 'curl', source: 'curl http://localhost:8000/readyz' }],
  metrics: [{ lang: 'curl', source: 'curl http://localhost:8000/metrics' }],
  openapi: [{ lang: 'curl', source: 'curl http://localhost:8000/openapi.json' }],
} as const satisfies Record<string, readonly CodeSample[]>;

"""
Prints what comes in some streams, a line an entry.

    python3 follow.py cam temp
    python3 follow.py temp --after 0      # from the beginning
"""
import argparse
import asyncio
import os

from streamgate import Entry, Streamgate


def describe(entry: Entry) -> str:
    head = entry.data[:60]
    content = head.decode() if head.isascii() and head.decode().isprintable() else f'{len(entry.data)} bytes'
    return f'{entry.stream} {entry.id} {content}'


async def main() -> None:
    parser = argparse.ArgumentParser(description='Prints what comes in some streams.')
    parser.add_argument('stream', nargs='+')
    parser.add_argument('--url', default='http://localhost:8000')
    parser.add_argument('--after', default='$', help='the id of the entry to begin after; 0: from the beginning')
    parser.add_argument('--latest', action='store_true', help='the newest entry always, skipping what is between')
    parser.add_argument('--entries', type=int, default=0, help='ends after so many; 0: goes on')
    args = parser.parse_args()
    gate = Streamgate(args.url, token=os.environ.get('STREAMGATE_TOKEN'))
    seen = 0
    async for entry in gate.pull(args.stream, last_entry_id=args.after, latest=args.latest):
        print(describe(entry), flush=True)
        seen += 1
        if seen == args.entries:
            break


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass

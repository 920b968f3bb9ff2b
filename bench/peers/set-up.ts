/** Downloads the peers' programs. Without one the benchmark runs all the same, and leaves its rows' peer out. */
import { PEER_NAMES, providePeer } from './programs.js';

for (const name of PEER_NAMES) {
  await providePeer(name).catch((error: Error) => {
    console.error(`bench: no ${name} to compare with: ${error.message.split('\n', 1)[0]}`);
  });
}

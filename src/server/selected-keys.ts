/** From what a request selects to the keys in Redis. */
import type { Config } from '../config.js';
import { streamKey } from '../redis/keys.js';
import type { StreamSelection } from '../wire/parameters.js';

export function selectedKey(config: Config, selection: StreamSelection, sid: string): string {
  return streamKey(selection.device, selection.prefix, sid, !config.DISABLE_MULTI_DEVICE_PREFIXING);
}

export function selectedKeys(config: Config, selection: StreamSelection): string[] {
  return selection.sids.map((sid) => selectedKey(config, selection, sid));
}

/** From what a request selects to the keys in Redis, as far as its token goes. */
import type { Action, Rights } from '../../../access/rights.js';
import type { Config } from '../../../config/settings.js';
import { parseSelection, type Query, type StreamSelection } from '../../../protocol/parameters.js';
import { streamKey } from '../../../redis/keys.js';

/**
 * The streams that a path's still encoded `{sid}` part and the query select; where they name no device, of
 * the device that the token is for.
 * @throws Failure `bad_name`, `bad_parameter`, `forbidden`
 */
export function readSelection(rights: Rights, encodedSid: string, query: Query): StreamSelection {
  const selection = parseSelection(encodedSid, query, rights.home);
  rights.checkWall(selection.device);
  return selection;
}

/** @throws Failure `reserved_name`, `forbidden` */
export function selectedKey(
  config: Config,
  rights: Rights,
  action: Action,
  selection: StreamSelection,
  sid: string,
): string {
  const key = streamKey(selection.device, selection.prefix, sid, !config.DISABLE_MULTI_DEVICE_PREFIXING);
  rights.check(action, key, sid);
  return key;
}

/** @throws Failure `reserved_name`, `forbidden` */
export function selectedKeys(
  config: Config,
  rights: Rights,
  action: Action,
  selection: StreamSelection,
): string[] {
  return selection.sids.map((sid) => selectedKey(config, rights, action, selection, sid));
}

/** The same checks for a selection whose keys are known. @throws Failure `forbidden` */
export function checkSelected(
  rights: Rights,
  action: Action,
  { device, sids }: StreamSelection,
  keys: readonly string[],
): void {
  rights.checkWall(device);
  for (let index = 0; index < keys.length; index++) rights.check(action, keys[index]!, sids[index]!);
}

/** How headers name the streams. Beyond a wall a device prefix leads nowhere, so that it is never shown. */
export function shownSids(
  rights: Rights,
  { sids }: StreamSelection,
  keys: readonly string[],
  keepDevicePrefix: boolean,
): readonly string[] {
  return keepDevicePrefix && rights.wall === undefined ? keys : sids;
}

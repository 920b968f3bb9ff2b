/** Settings of access control that make sense only together. */

import { isLoopback } from '../config/loopback.js';
import type { Config } from '../config/settings.js';
import { StartError } from '../config/start-error.js';

/** A setting does not do what it seems to; the message is one sentence that says how to mend it. */
export class AccessSettingsError extends StartError {}

/** Whether requests need a token. */
export function needsTokens({ ACCESS_TOKENS_FILE, JWT_SECRET, JWT_JWKS }: Config): boolean {
  return [ACCESS_TOKENS_FILE, JWT_SECRET, JWT_JWKS].some((setting) => setting !== undefined);
}

/** Whether programs on other machines can do everything. */
export function isOpenToOthers(config: Config): boolean {
  return !needsTokens(config) && !isLoopback(config.HOST);
}

/** @throws AccessSettingsError */
export function checkAccessSettings(config: Config): void {
  for (const name of ['JWT_AUDIENCE', 'JWT_ISSUER'] as const) {
    if (config[name] === undefined || config.JWT_SECRET || config.JWT_JWKS) continue;
    throw new AccessSettingsError(
      `${name} is set without JWT_SECRET or JWT_JWKS, and protects nothing alone: set one of them.`,
    );
  }
  if (!isOpenToOthers(config) || config.ALLOW_ANONYMOUS) return;
  throw new AccessSettingsError(
    `HOST is ${config.HOST}, which other machines may reach, but no token is needed: ` +
      'set ACCESS_TOKENS_FILE, JWT_SECRET or JWT_JWKS, or ALLOW_ANONYMOUS=1 to allow everybody everything.',
  );
}

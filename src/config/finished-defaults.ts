/** Defaults that follow from other settings. */
import type { Config } from './settings.js';

/** Whether the database may be emptied: of itself only the one that the gateway started. */
export function allowsFlush({ ALLOW_FLUSH, REDIS_URL }: Config): boolean {
  return ALLOW_FLUSH ?? REDIS_URL === undefined;
}

/** Pages of which origins may use the gateway, beside its own; undefined: those of this machine. */
export function allowedOrigins({ CORS_ORIGINS }: Config, hasAccessControl: boolean): string[] | undefined {
  return CORS_ORIGINS ?? (hasAccessControl ? ['*'] : undefined);
}

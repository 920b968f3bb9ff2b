/**
 * The gateway cannot start, or the command cannot run, for a reason that is the user's to mend: the message is one
 * sentence, which is all that the program says before it ends.
 */
export class StartError extends Error {}

/** A setting has a value that it cannot have; the message names it. */
export class ConfigError extends StartError {}

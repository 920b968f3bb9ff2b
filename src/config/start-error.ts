/**
 * The gateway cannot start, or the command cannot run, for a reason that is the user's to mend: the message is one
 * sentence, which is all that the program says before it ends.
 */
export class StartError extends Error {}

/** A setting has a value that it cannot have; the message names it. */
export class ConfigError extends StartError {}

/** The gateway cannot listen, or not with this certificate. */
export class ListenError extends StartError {
  static at(host: string, port: number): ListenError {
    return new ListenError(
      `Cannot listen on ${host} port ${port}: the port is in use (set another as PORT), or HOST is not an address of this machine.`,
    );
  }
}

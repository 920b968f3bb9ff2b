/** `streamgate serve`: runs the gateway until a signal stops it. */
import type { Command } from 'commander';
import { loadSocketLibrary } from '../system/socket-library.js';
import { addSettingOptions } from './setting-options.js';

export function addServeCommand(program: Command): void {
  const serve = program
    .command('serve')
    .description('run the gateway; each flag is also an environment variable, as PORT for --port');
  const given = addSettingOptions(serve);
  serve.action(async (flags: Record<string, string>) => {
    // Before the gateway, whose modules import it and would end the program with a stack trace.
    const fault = await loadSocketLibrary();
    if (fault !== undefined) {
      console.error(`streamgate: ${fault}`);
      process.exitCode = 1;
      return;
    }
    // The gateway takes longer to load than the other commands to run.
    const { serveUntilStopped } = await import('./serve.js');
    await serveUntilStopped(given(flags));
  });
}

/** `streamgate serve`: runs the gateway until a signal stops it. */
import type { Command } from 'commander';
import { addSettingOptions } from './setting-options.js';

export function addServeCommand(program: Command): void {
  const serve = program
    .command('serve')
    .description('run the gateway; each flag is also an environment variable, as PORT for --port');
  const given = addSettingOptions(serve);
  serve.action(async (flags: Record<string, string>) => {
    // The gateway takes longer to load than the other commands to run.
    const { serveUntilStopped } = await import('./serve.js');
    await serveUntilStopped(given(flags));
  });
}

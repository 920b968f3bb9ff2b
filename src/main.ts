#!/usr/bin/env node
/** The `streamgate` program: its commands, each in a file of its own. */
import { Command } from 'commander';
import { addClientCommands } from './cli/client-commands.js';
import { addServeCommand } from './cli/serve-command.js';
import { addSetupCommand } from './cli/setup-command.js';

const program = new Command('streamgate').description(
  'Redis Streams behind REST, binary WebSockets and GraphQL on one port',
);
addServeCommand(program);
addSetupCommand(program);
addClientCommands(program);
await program.parseAsync();

#!/usr/bin/env node
/** The `streamgate` program: its commands, each in a file of its own. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { addClientCommands } from './cli/client-commands.js';
import { addDoctorCommand } from './cli/doctor-command.js';
import { addServeCommand } from './cli/serve-command.js';
import { addSetupCommand } from './cli/setup-command.js';
import { addTokenCommand } from './cli/token-command.js';

const program = new Command('streamgate').description(
  'Redis Streams behind REST, binary WebSockets and GraphQL on one port',
);
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
program.version(version);
addServeCommand(program);
addSetupCommand(program);
addTokenCommand(program);
addDoctorCommand(program);
addClientCommands(program);
await program.parseAsync();

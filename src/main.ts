#!/usr/bin/env node
/** The `streamgate` program: its commands, each in a file of its own. */
import { Command } from 'commander';
import { addClientCommands } from './cli/client-commands.js';
import { addDoctorCommand } from './cli/doctor-command.js';
import { addServeCommand } from './cli/serve-command.js';
import { addSetupCommand } from './cli/setup-command.js';
import { addTokenCommand } from './cli/token-command.js';
import { VERSION } from './system/version.js';

const program = new Command('streamgate').description(
  'Redis Streams behind REST, binary WebSockets and GraphQL on one port',
);
program.version(VERSION);
addServeCommand(program);
addSetupCommand(program);
addTokenCommand(program);
addDoctorCommand(program);
addClientCommands(program);
await program.parseAsync();

#!/usr/bin/env node
/** The sample client as a program of its own: `node dist/test/api.js push_increment counter`. */
import { Command } from 'commander';
import { addClientCommands } from '../src/cli/client-commands.js';

const program = new Command('api').description('push to and pull from the streams of a streamgate gateway');
addClientCommands(program);
await program.parseAsync();

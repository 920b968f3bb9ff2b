/** Options that the client commands share, each declared once, and the values they are given. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Streamgate } from '../client/node.js';
import { parseShape, type Shape } from './images.js';

/** Checked values, by the names that commander gives them. */
export interface TargetValues {
  readonly url: string;
  readonly token?: string;
  readonly device?: string;
  readonly prefix?: string;
}

export interface RunValues extends TargetValues {
  /** A second; 0: as fast as possible. */
  readonly rate: number;
  /** Stop after so many entries; 0: go on. */
  readonly count: number;
  /** Stop after so many seconds; 0: go on. */
  readonly duration: number;
}

export interface PullValues {
  readonly lastEntryId?: string;
  readonly latest?: boolean;
}

export interface ShapeValues {
  readonly shape: Shape;
}

export interface SaveValues {
  readonly save?: string;
}

const DEFAULT_URL = 'http://127.0.0.1:8000';
const DEFAULT_SHAPE = '[700,700,3]';

/** Lets commander name the option in front of a parser's sentence. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

export function parseWholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Error('It must be a whole number from 0.');
  return Number(text);
}

export function parseNumber(text: string): number {
  if (!/^(\d{1,9}(\.\d{0,9})?|\.\d{1,9})$/.test(text)) throw new Error('It must be a number from 0.');
  return Number(text);
}

export function addUrlOption(command: Command): Command {
  return command
    .addOption(new Option('--url <url>', "the gateway's address").env('STREAMGATE_URL').default(DEFAULT_URL))
    .addOption(
      new Option('--token <token>', 'what to ask by, where it has access control').env('STREAMGATE_TOKEN'),
    );
}

export function addTargetOptions(command: Command): Command {
  return addUrlOption(command)
    .option('--device <id>', "the device whose streams are meant (the gateway's default: default)")
    .option('--prefix <prefix>', 'goes between the device and the stream id');
}

/** @param rate the default of `--rate`, a second */
export function addRunOptions(command: Command, rate: number): Command {
  return addTargetOptions(command)
    .option('--rate <n>', 'at most n a second; 0: as fast as possible', argument(parseNumber), rate)
    .option('--count <n>', 'stop after n entries; 0: go on', argument(parseWholeNumber), 0)
    .option('--duration <seconds>', 'stop after so long; 0: go on', argument(parseNumber), 0);
}

export function addPullOptions(command: Command): Command {
  return command
    .option('--last-entry-id <id>', 'read after this id: $ newest, 0 all, ms or ms-seq (default: $)')
    .option('--latest', 'skip to the newest entry, rather than fall behind');
}

export function addShapeOption(command: Command): Command {
  return command.addOption(
    new Option('--shape <shape>', "'[height,width]' grey, '[height,width,3]' colour")
      .argParser(argument(parseShape))
      .default(parseShape(DEFAULT_SHAPE), DEFAULT_SHAPE),
  );
}

export function addSaveOption(command: Command): Command {
  return command.option('--save <file>', 'keep the newest image in this file');
}

/** @throws GatewayError where `--url` is no address */
export function makeClient({ url, token, device, prefix }: TargetValues): Streamgate {
  return new Streamgate(url, { token, device, prefix });
}

/** @param sid one stream id, or several joined by `+` */
export const splitSids = (sid: string): readonly string[] => sid.split('+');

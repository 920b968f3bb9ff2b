/** `streamgate token`: makes, lists and revokes the bearer tokens of a tokens file. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ACTIONS, type Action, ENTITLEMENT, type Right } from '../access/rights.js';
import { changeTokenFile, readTokenFile, TokenFileError, type TokenRecord } from '../access/token-file.js';
import { isTokenId, makeToken } from '../access/tokens.js';
import { parseSpan } from './spans.js';

const DAY = /^\d{4}-\d{2}-\d{2}(T.*)?$/;
const ANY = '*';

interface FileValues {
  readonly file: string;
}

interface CreateValues extends FileValues {
  readonly allow: readonly Right[];
  readonly device?: string;
  readonly expires?: string;
  readonly id?: string;
  readonly note?: string;
}

/** `read,write@device:stream`; the device and the stream are globs, and may be left out. */
function parseRight(text: string): Right {
  const [actions, place] = splitAt(text, '@');
  const [device, stream] = splitAt(place ?? ANY, ':');
  const named = actions.split(',');
  if (named.some((action) => !ACTIONS.includes(action as Action)) || device === '' || stream === '') {
    throw new InvalidArgumentError(
      `It must be one or more of ${ACTIONS.join(',')}, then nothing, @DEVICE or @DEVICE:STREAM.`,
    );
  }
  return { device, stream: stream ?? ANY, actions: named as Action[] };
}

function splitAt(text: string, mark: string): [before: string, after: string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)];
}

/** An ISO 8601 time in UTC. */
function parseExpiry(text: string): string {
  const span = parseSpan(text);
  const time = span === undefined ? Date.parse(text) : Date.now() + span;
  if ((span === undefined && !DAY.test(text)) || !(time > Date.now()) || time > 8.64e15) {
    throw new InvalidArgumentError(
      'It must be a duration such as 12h, 30d or 8w, or a day or time in the future.',
    );
  }
  return new Date(time).toISOString();
}

function parseDevice(text: string): string {
  if (!ENTITLEMENT.device.safeParse(text).success)
    throw new InvalidArgumentError(
      "It must be a device id: 1 to 512 bytes, without ':', '+' and control characters.",
    );
  return text;
}

function parseId(text: string): string {
  if (!isTokenId(text)) {
    throw new InvalidArgumentError(
      "It must be 1 to 63 of a to z, 0 to 9, '.' and '-', and begin with a letter or digit.",
    );
  }
  return text;
}

const collect =
  <T>(parse: (text: string) => T) =>
  (text: string, before: readonly T[] = []): readonly T[] => [...before, parse(text)];

/** What a right is written as, so that it could be given again. */
function printRight({ actions, device, stream }: Right): string {
  if (device === ANY && stream === ANY) return actions.join(',');
  return `${actions.join(',')}@${device}${stream === ANY ? '' : `:${stream}`}`;
}

function printRow({ id, device, rights, expires, note }: TokenRecord): string {
  const state = expires === undefined ? 'never' : expires;
  const isOver = expires !== undefined && Date.parse(expires) <= Date.now();
  return [
    id,
    device === undefined ? 'all devices' : `device ${device}`,
    rights.map(printRight).join(' ') || 'nothing',
    `expires ${state}${isOver ? ' (over)' : ''}`,
    note ?? '',
  ].join('\t');
}

/** Failures that are the user's to mend: one sentence, no stack. */
async function plainly(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TokenFileError)) throw error;
    process.stderr.write(`streamgate: ${error.message}\n`);
    process.exitCode = 1;
  }
}

const tellGateway = () => process.stderr.write('A gateway that runs reads the file again on SIGHUP.\n');

async function create({ file, allow, device, expires, id, note }: CreateValues): Promise<void> {
  const made = makeToken(id);
  await changeTokenFile(file, (tokens) => {
    if (tokens.some((token) => token.id === made.id)) {
      throw new TokenFileError(`There is already a token ${made.id}: choose another --id.`);
    }
    const record: TokenRecord = {
      id: made.id,
      sha256: made.sha256,
      ...(device === undefined ? {} : { device }),
      rights: [...allow],
      ...(expires === undefined ? {} : { expires }),
      created: new Date().toISOString(),
      ...(note === undefined ? {} : { note }),
    };
    return [...tokens, record];
  });
  process.stderr.write(`Token ${made.id}; its secret is shown this once:\n`);
  process.stdout.write(`${made.token}\n`);
  tellGateway();
}

async function list({ file }: FileValues): Promise<void> {
  const rows = (await readTokenFile(file)).map((token) => `${printRow(token)}\n`);
  process.stdout.write(rows.join(''));
}

async function revoke(id: string, { file }: FileValues): Promise<void> {
  await changeTokenFile(file, (tokens) => {
    const rest = tokens.filter((token) => token.id !== id);
    if (rest.length === tokens.length)
      throw new TokenFileError(`There is no token ${id}: 'streamgate token list' shows all.`);
    return rest;
  });
  process.stderr.write(`Token ${id} is revoked.\n`);
  tellGateway();
}

export function addTokenCommand(program: Command): void {
  const token = program.command('token').description('make, list and revoke the tokens of a tokens file');
  const addFile = (command: Command) =>
    command.addOption(
      new Option('--file <file>', 'the tokens file').env('ACCESS_TOKENS_FILE').makeOptionMandatory(),
    );
  addFile(token.command('create'))
    .description('add a token, and print it')
    .addOption(
      new Option(
        '--allow <right>',
        `what it allows, as read,write@DEVICE:STREAM with globs; of ${ACTIONS.join(', ')}; may be given again`,
      )
        .argParser(collect(parseRight))
        .makeOptionMandatory(),
    )
    .option('--device <id>', 'a token for this device alone, whose client sees nothing else', parseDevice)
    .option('--expires <when>', 'a duration such as 12h or 30d, or a day or time', parseExpiry)
    .option('--id <id>', 'what to call it; else a number is drawn', parseId)
    .option('--note <text>', 'what it is for')
    .action((values: CreateValues) => plainly(() => create(values)));
  addFile(token.command('list'))
    .description('the tokens of the file, without their secrets')
    .action((values: FileValues) => plainly(() => list(values)));
  addFile(token.command('revoke'))
    .description('take a token out of the file')
    .argument('<id>')
    .action((id: string, values: FileValues) => plainly(() => revoke(id, values)));
}

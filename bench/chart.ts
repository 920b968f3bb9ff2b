/**
 * The results as an SVG: how much of its ceiling each figure reaches, and the peers beside it.
 *
 *     push 100 B      ████████████░░░░|░░░   280 000 entries/s   62 %
 *                     ███ plain Node gateway
 *     0 %                         target   100 % = the ceiling
 *
 * Where less is better the share is the ceiling's figure divided by ours, so that longer is always better.
 */
import { formatNumber } from './numbers.js';
import type { FigureResult, RivalResult } from './results.js';

const WIDTH = 1080;
const NAME_END = 440;
const BAR_START = 452;
const BAR_END = 852;
const TEXT_START = 862;
/** Shares beyond it are cut off there, with a tip. */
const LARGEST_SHARE = 1.25;
const LEGEND_HEIGHT = 56;
const SCOPE_HEIGHT = 30;
const BAR_HEIGHT = 12;
const PEER_HEIGHT = 12;
const GAP = 9;
const TIP = 5;
const GRID = [0, 0.25, 0.5, 0.75, 1];

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .scope { font-weight: 600; font-size: 13px; }
  .small { font-size: 10px; fill: #59636e; }
  .end { text-anchor: end; } .middle { text-anchor: middle; }
  .paper { fill: #ffffff; }
  .ours { fill: #1f6feb; } .peer { fill: #afb8c1; }
  .grid { stroke: #d1d9e0; } .ceiling { stroke: #59636e; stroke-width: 1.5; }
  .target { stroke: #cf222e; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .small { fill: #9198a1; }
    .paper { fill: #0d1117; }
    .ours { fill: #4493f8; } .peer { fill: #59636e; }
    .grid { stroke: #3d444d; } .ceiling { stroke: #9198a1; } .target { stroke: #f85149; }
  }`;

/** Figures of one ceiling: shares of it, 1 being as good. */
export interface ChartRow {
  readonly name: string;
  readonly ours: number;
  readonly text: string;
  readonly peers: readonly { readonly label: string; readonly share: number }[];
  /** What the targets come to as shares. */
  readonly targets: readonly number[];
}

/** @returns undefined where there is no rival to draw the figure against */
export function chartRow({ name, unit, ours, better, rivals }: FigureResult): ChartRow | undefined {
  const kindOf = (wanted: RivalResult['kind']) => rivals.find(({ kind }) => kind === wanted);
  const base = kindOf('ceiling') ?? kindOf('peer');
  if (base === undefined) return undefined;
  const gain = (ratio: number) => (better === 'more' ? ratio : 1 / ratio);
  const share = gain(base.ratio.median);
  const shareOf = (rival: RivalResult) => share / gain(rival.ratio.median);
  return {
    name,
    ours: share,
    text: `${formatNumber(ours.median)} ${unit}`,
    peers: rivals
      .filter((rival) => rival.kind === 'peer' && rival !== base)
      .map((rival) => ({ label: rival.label, share: shareOf(rival) })),
    targets: rivals.flatMap((rival) =>
      rival.target === undefined ? [] : shareOf(rival) * gain(rival.target),
    ),
  };
}

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const xOf = (share: number) =>
  Math.round(BAR_START + (Math.min(share, LARGEST_SHARE) / LARGEST_SHARE) * (BAR_END - BAR_START));

function text(x: number, y: number, content: string, kind = ''): string {
  const attribute = kind === '' ? '' : ` class="${kind}"`;
  return `<text x="${x}" y="${y}"${attribute}>${escapeXml(content)}</text>`;
}

function vertical(kind: string, share: number, from: number, to: number): string {
  return `<line class="${kind}" x1="${xOf(share)}" x2="${xOf(share)}" y1="${from}" y2="${to}"/>`;
}

function bar(kind: string, share: number, y: number, height: number): string {
  const end = xOf(share);
  const tip = share > LARGEST_SHARE ? `l${TIP} ${height / 2}l-${TIP} ${height / 2}` : `v${height}`;
  return `<path class="${kind}" d="M${BAR_START} ${y}H${end}${tip}H${BAR_START}Z"/>`;
}

const rowHeight = ({ peers }: ChartRow) => BAR_HEIGHT + peers.length * PEER_HEIGHT + GAP;

function drawRow(row: ChartRow, top: number): string[] {
  const base = top + BAR_HEIGHT - 2;
  const percent = `${Math.round(row.ours * 100)} %`;
  return [
    text(NAME_END, base, row.name, 'end'),
    bar('ours', row.ours, top, BAR_HEIGHT),
    text(TEXT_START, base, `${row.text}, ${percent}`),
    ...row.peers.flatMap(({ label, share }, index) => {
      const y = top + BAR_HEIGHT + index * PEER_HEIGHT;
      return [
        bar('peer', share, y + 2, PEER_HEIGHT - 4),
        text(xOf(share) + TIP + 3, y + PEER_HEIGHT - 2, label, 'small'),
      ];
    }),
    ...row.targets
      .filter((share) => share <= LARGEST_SHARE)
      .map((share) => vertical('target', share, top - 2, top + BAR_HEIGHT + 2)),
  ];
}

function drawLegend(): string[] {
  return [
    text(BAR_START, 18, 'Share of the ceiling: what the machine does with nothing else in the way', 'small'),
    bar('ours', 0.05, 26, 9),
    text(BAR_START + 22, 34, 'streamgate', 'small'),
    `<g transform="translate(100)">${bar('peer', 0.05, 26, 9)}</g>`,
    text(BAR_START + 122, 34, 'a peer', 'small'),
    `<g transform="translate(180)">${vertical('target', 0, 24, 37)}</g>`,
    text(BAR_START + 186, 34, 'target', 'small'),
    ...GRID.map((share) => text(xOf(share), LEGEND_HEIGHT - 4, `${share * 100} %`, 'small middle')),
  ];
}

/** @returns a whole SVG, for light and dark pages */
export function performanceChart(results: readonly FigureResult[]): string {
  const drawn: string[] = [];
  let y = LEGEND_HEIGHT;
  let scope: string | undefined;
  for (const result of results) {
    const row = chartRow(result);
    if (row === undefined) continue;
    if (result.scope !== scope) {
      scope = result.scope;
      drawn.push(text(12, y + 19, scope, 'scope'));
      y += SCOPE_HEIGHT;
    }
    drawn.push(...drawRow(row, y));
    y += rowHeight(row);
  }
  const grid = GRID.map((share) => vertical(share === 1 ? 'ceiling' : 'grid', share, LEGEND_HEIGHT, y));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + GAP}" width="${WIDTH}" role="img">`,
    '<title>streamgate beside ceilings and peers</title>',
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${y + GAP}"/>`,
    ...grid,
    ...drawLegend(),
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

/** `streamgate doctor`: says what in Redis or in the machine will hurt, with the gateway's own settings. */
import type { Command } from 'commander';
import { loadConfig } from '../config/settings.js';
import { StartError } from '../config/start-error.js';
import type { Finding, Level } from '../doctor/findings.js';
import { addSettingOptions } from './setting-options.js';

export function addDoctorCommand(program: Command): void {
  const doctor = program
    .command('doctor')
    .description(
      'say what in Redis or the machine will hurt; with the settings of serve; status 1 if there are problems',
    )
    .option('--json', 'tell it as JSON');
  const given = addSettingOptions(doctor);
  doctor.action(({ json, ...flags }: { json?: boolean }) => tellFindings(given(flags), json === true));
}

async function tellFindings(given: Record<string, string | undefined>, isJson: boolean): Promise<void> {
  try {
    // What it looks with takes longer to load than the other commands to run.
    const { examine } = await import('../doctor/examine.js');
    const findings = await examine(loadConfig(given));
    const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
    const [problems, warnings] = [count('problem'), count('warning')];
    process.stdout.write(
      isJson
        ? `${JSON.stringify({ problems, warnings, findings }, undefined, 2)}\n`
        : `${asText(findings)}\n${countText(problems, 'problem')}, ${countText(warnings, 'warning')}.\n`,
    );
    if (problems > 0) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    console.error(`streamgate: ${error.message}`);
    process.exitCode = 1;
  }
}

const countText = (count: number, what: string) => `${count || 'no'} ${what}${count === 1 ? '' : 's'}`;

function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(
      ({ check, level, message }) =>
        `${level.padEnd('problem'.length)}  ${check.padEnd(width)}  ${message}\n`,
    )
    .join('');
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from './cluster';
import type { RoundResult } from './round';

/** Writes down what the processes of a round said, and what its clients noted. @returns the folder */
export function keepLogs(name: string, cluster: Cluster, result: RoundResult): string {
  const folder = join(tmpdir(), `hearth-chaos-${name}`);
  mkdirSync(folder, { recursive: true });
  for (const node of cluster.nodes)
    writeFileSync(join(folder, `${node.label.replace(' ', '-')}.log`), node.lines.join('\n'));
  writeFileSync(join(folder, 'examples.txt'), result.examples.join('\n'));
  result.pictures.forEach((picture, n) => writeFileSync(join(folder, `picture-${n + 1}.jsonl`), picture));
  const { intents, connections, table } = result.evidence;
  for (const [name, all] of Object.entries({ intents, connections, table })) {
    writeFileSync(join(folder, `${name}.jsonl`), all.map((one) => JSON.stringify(one)).join('\n'));
  }
  return folder;
}

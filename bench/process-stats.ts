/**
 * CPU time and memory of a server and of everything it started. Hearth's embedded Postgres and NATS are processes of
 * their own, and what they burn belongs to the price of a message.
 */
import { readdir, readFile } from 'node:fs/promises';

interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** User and system time, with that of its ended children, so that a finished worker is not lost. */
  readonly cpuSeconds: number;
  readonly rssKiB: number;
  readonly command: string;
}

export interface TreeSample {
  /** The server's own process. */
  readonly rootCpuSeconds: number;
  readonly rootRssKiB: number;
  /** The server and all its descendants. Shared memory counts in each of them. */
  readonly treeCpuSeconds: number;
  readonly treeRssKiB: number;
  readonly pids: readonly number[];
}

/** Clock ticks per second in `/proc`: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const [stat, status, command] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'latin1'),
      readFile(`/proc/${pid}/status`, 'latin1'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ]);
    // The name in parentheses may hold spaces: the numbered fields begin after the last parenthesis, with field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = [14, 15, 16, 17].reduce((sum, field) => sum + Number(fields[field - 3]), 0);
    return {
      pid,
      parent: Number(fields[1]),
      cpuSeconds: ticks / TICKS_PER_SECOND,
      rssKiB: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0),
      command: command.replaceAll('\0', ' '),
    };
  } catch {
    return undefined; // it ended while we were looking
  }
}

async function listProcesses(): Promise<ProcessInfo[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(readProcess));
  return all.flatMap((info) => info ?? []);
}

/**
 * The processes of one server: its own, its descendants, and those whose command line names `dataDir` with their
 * descendants, should the server have started them detached.
 */
export class ProcessTree {
  constructor(
    private readonly root: number,
    private readonly dataDir: string,
  ) {}

  async sample(): Promise<TreeSample> {
    const members = await this.members();
    const root = members.find(({ pid }) => pid === this.root);
    return {
      rootCpuSeconds: root?.cpuSeconds ?? 0,
      rootRssKiB: root?.rssKiB ?? 0,
      treeCpuSeconds: members.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      treeRssKiB: members.reduce((sum, { rssKiB }) => sum + rssKiB, 0),
      pids: members.map(({ pid }) => pid),
    };
  }

  /** Ends whatever still runs on this server's data directory. */
  async killLeftovers(): Promise<void> {
    for (const { pid, command } of await this.members()) {
      if (pid !== this.root && command.includes(this.dataDir)) process.kill(pid, 'SIGKILL');
    }
  }

  private async members(): Promise<ProcessInfo[]> {
    const all = await listProcesses();
    const members = new Set(
      all.filter(({ pid, command }) => pid === this.root || command.includes(this.dataDir)).map(({ pid }) => pid),
    );
    for (let before = 0; before !== members.size;) {
      before = members.size;
      for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
    }
    return all.filter(({ pid }) => members.has(pid));
  }
}

/** Web Locks, as far as the client library uses them, for a Node.js that has none: those of one process. */
export class Locks {
  private readonly queues = new Map<string, (() => Promise<void>)[]>();

  async request(
    name: string,
    { signal }: { signal?: AbortSignal },
    granted: () => Promise<unknown> | undefined,
  ): Promise<unknown> {
    await Promise.resolve();
    signal?.throwIfAborted();
    const queue = this.queues.get(name) ?? [];
    this.queues.set(name, queue);
    return new Promise((resolve, reject) => {
      const turn = async (): Promise<void> => {
        signal?.removeEventListener('abort', abort);
        try {
          resolve(await granted());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        queue.shift();
        void queue[0]?.();
      };
      const abort = (): void => {
        const index = queue.indexOf(turn);
        if (index > 0) queue.splice(index, 1);
        reject(new Error('aborted'));
      };
      signal?.addEventListener('abort', abort);
      if (queue.push(turn) === 1) void turn();
    });
  }
}

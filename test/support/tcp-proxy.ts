import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** Which way: from clients to the target, or back. */
export type Direction = 'there' | 'back';

/** Passes connections on to a port of this machine, and can be slow or lose them without a word, as a network can. */
export class TcpProxy {
  private readonly sockets = new Set<Socket>();
  /** Those of them that lead to the target. */
  private readonly targets = new Set<Socket>();
  /** Let what waits on a road arrive. */
  private readonly arrivals = new Set<() => void>();
  private isLosing = false;
  private readonly halted = new Set<Direction>();
  private delayMs = 0;
  /** What the target has answered, bytes. */
  answered = 0;

  private constructor(
    private readonly server: Server,
    private targetPort: number,
  ) {}

  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, targetPort);
    server.on('connection', (client) => proxy.pass(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** From now on everything takes so long, in each direction. */
  slowDown(delayMs: number): void {
    this.delayMs = delayMs;
  }

  /** From now on nothing comes through and nothing is closed, on connections there are and on new ones. */
  lose(): void {
    this.isLosing = true;
    for (const socket of this.sockets) socket.pause().unpipe();
  }

  /** From now on what is sent over the connections there are comes through, and what is answered does not. */
  swallowAnswers(): void {
    for (const target of this.targets) target.unpipe().resume();
  }

  /** New connections come through again; those that were lost stay so, as after a failover to another machine. */
  find(): void {
    this.isLosing = false;
  }

  /** Breaks the connections there are; new ones come through. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /**
   * From now on everything waits on its way, ends included, until `goOn`: nothing is lost, as while TCP repeats what does not
   * arrive.
   *
   * @param directions which ways; both, if none are given
   */
  halt(...directions: readonly Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['there', 'back'] as const))
      this.halted.add(direction);
  }

  /** What waited arrives. */
  goOn(): void {
    this.halted.clear();
    for (const arrive of [...this.arrivals]) arrive();
  }

  /** New connections lead to another port; those there are stay where they are. */
  lead(targetPort: number): void {
    this.targetPort = targetPort;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(client: Socket): void {
    this.keep(client);
    if (this.isLosing) return void client.pause();
    const target = connect(this.targetPort, '127.0.0.1');
    this.keep(target);
    this.targets.add(target);
    const [there, back] = [this.road('there'), this.road('back')];
    // Nothing else tells the client of the end once answers are swallowed.
    target.on('close', () => {
      this.targets.delete(target);
      this.whenOpen('back', () => {
        for (const end of [client, there, back]) end.destroy();
      });
    });
    // Nor the target of a client that was killed: a connection that breaks has no end.
    client.on('close', () => this.whenOpen('there', () => target.destroySoon()));
    target.on('data', ({ length }: Buffer) => (this.answered += length));
    client.pipe(there).pipe(target).pipe(back).pipe(client);
  }

  private whenOpen(direction: Direction, act: () => void): void {
    if (!this.halted.has(direction)) return act();
    const once = (): void => {
      this.arrivals.delete(once);
      act();
    };
    this.arrivals.add(once);
  }

  /** One direction: what goes in comes out in the same order, however the delay changes. */
  private road(direction: Direction): Transform {
    const onTheWay: { readonly dueMs: number; readonly chunk: unknown }[] = [];
    let lastMs = 0;
    let timer: NodeJS.Timeout | undefined;
    const arrive = (): void => {
      clearTimeout(timer);
      for (let next = onTheWay[0]; next !== undefined && !this.halted.has(direction); next = onTheWay[0]) {
        if (next.dueMs > Date.now()) return void (timer = setTimeout(arrive, next.dueMs - Date.now()));
        onTheWay.shift();
        road.push(next.chunk);
      }
    };
    const send = (chunk: unknown): void => {
      lastMs = Math.max(lastMs, Date.now() + this.delayMs);
      if (onTheWay.push({ dueMs: lastMs, chunk }) === 1) arrive();
    };
    this.arrivals.add(arrive);
    const road = new Transform({
      transform: (chunk, _encoding, done) => done(void send(chunk)),
      // Its end takes the same way.
      flush: () => send(null),
    });
    road.on('close', () => this.arrivals.delete(arrive));
    return road;
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    // Whoever is on the other side of the proxy sees the end.
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }
}

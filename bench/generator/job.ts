/**
 * What the bench asks its load generator to do, and what comes back. Plain data: it crosses a process boundary.
 * The generator is a process of its own, so that starting servers and reading their CPU never delays a socket.
 */

/** How a server lets its clients in; publishing is the same HTTP request for all of them. */
export type DialectName = 'hearth' | 'plain-ws' | 'socket-io';

/** A running server as the generator sees it. */
export interface Target {
  readonly dialect: DialectName;
  readonly port: number;
  /** Sent as `Authorization: Bearer` with each publish. */
  readonly apiKey: string;
  /** For publishes as an AWS SDK sends them. */
  readonly accessKey: { readonly id: string; readonly secret: string };
  /** HS256 secret of the connect tokens, base64. */
  readonly signingSecret: string;
}

/** How a publish comes in: as `POST /publish`, or as an invocation signed by an AWS SDK. */
export type Door = 'http' | 'lambda';

interface Timing {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** One channel: as fast as deliveries keep up, with at most `window` messages not yet delivered to everyone. */
export interface WindowedJob extends Timing {
  readonly kind: 'windowed';
  readonly target: Target;
  readonly subscribers: number;
  readonly window: number;
}

/** Many channels at a fixed rate; measures the time from publish to socket. */
export interface FixedRateJob extends Timing {
  readonly kind: 'fixed-rate';
  readonly target: Target;
  readonly subscribers: number;
  readonly channels: number;
  readonly messagesPerSecond: number;
}

/** Publishes only, one request in flight on each connection. */
export interface PublishJob extends Timing {
  readonly kind: 'publish';
  readonly target: Target;
  readonly connections: number;
  readonly channels: number;
  /** Messages in one request; above 1 they go to `/publish/batch`. */
  readonly batchSize: number;
  readonly door: Door;
}

/** Publishes with `store`, one subscriber on each channel counting what comes out of the log. */
export interface StoreJob extends Timing {
  readonly kind: 'store';
  readonly target: Target;
  readonly connections: number;
  readonly channels: number;
  readonly storeSeconds: number;
  /** Channels whose whole history is read back afterwards and counted. */
  readonly channelsReadBack: number;
}

/** Opens connections, each with a token of its own, and leaves them idle. */
export interface ConnectJob {
  readonly kind: 'connect';
  readonly target: Target;
  readonly connections: number;
  readonly concurrency: number;
  readonly channels: number;
  /** Time for the server to come to rest before its memory is read. */
  readonly settleMs: number;
}

/** One presence channel: members come in one by one, then some of them leave at the same moment. */
export interface PresenceJob {
  readonly kind: 'presence';
  readonly target: Target;
  readonly members: number;
  /** The last so many that come in are measured. */
  readonly measured: number;
  readonly leaving: number;
}

/** Parks messages that are all due in the same second, one subscriber on each channel counting what fires. */
export interface SchedulesJob {
  readonly kind: 'schedules';
  readonly target: Target;
  readonly schedules: number;
  readonly connections: number;
  readonly channels: number;
  /** Messages in one request; divides `schedules`. */
  readonly batchSize: number;
}

/** Verifies signatures in the generator itself, as fast as that goes. */
export interface VerifyJob extends Timing {
  readonly kind: 'verify';
  readonly target: Target;
}

export type Job =
  WindowedJob | FixedRateJob | PublishJob | StoreJob | ConnectJob | PresenceJob | SchedulesJob | VerifyJob;

/** Moments at which the bench reads the server's CPU and memory. */
export type Mark = 'start' | 'end' | 'settled';

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Deviations from exactly-once, in-order delivery; every one of them must be zero. */
export interface Faults {
  readonly missing: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly misrouted: number;
  /** Publishes answered with anything but 2xx, or not at all. */
  readonly refused: number;
  /** Connections that could not be opened or were closed by the server. */
  readonly lostConnections: number;
  /** Accepted with `store` but not found when the history was read back. */
  readonly notStored: number;
  /** Scheduled messages that came before they were due. */
  readonly early: number;
}

export interface Measurement {
  /** Length of the measured window. */
  readonly seconds: number;
  /** Messages read from sockets within the window. */
  readonly deliveries: number;
  /** Messages accepted by the server within the window. */
  readonly accepted: number;
  /** Connections opened within the window. */
  readonly connected: number;
  /** From handing the publish to its socket, or from when it was due, to reading the message from a subscriber's. */
  readonly latency?: LatencySummary;
  /** From handing the publish to its socket to reading the answer. */
  readonly answer?: LatencySummary;
  /** Seconds from the moment when members left together until the last one that stayed knew of all of them. */
  readonly leavingSeconds?: number;
  /** How late the schedule of a fixed-rate run was at worst. */
  readonly scheduleLagMs?: number;
  /** CPU seconds per second of the generator; near 1 the generator sets the pace, not the server. */
  readonly generatorCpu: number;
  readonly faults: Faults;
  /** The first few complaints in words. */
  readonly complaints: readonly string[];
}

/** Messages between the bench and its generator. */
export type ToGenerator = { readonly type: 'job'; readonly job: Job } | { readonly type: 'continue' };
export type FromGenerator =
  | { readonly type: 'mark'; readonly mark: Mark }
  | { readonly type: 'done'; readonly measurement: Measurement }
  | { readonly type: 'failed'; readonly reason: string };

/**
 * When a message was sent, by the installation's clock: a header of what goes to the ingest streams. NATS gives each message a
 * time of its own, by which ids, schedules and windows go; its reader compares both, because the clock of a nats-server may be
 * wrong like any other.
 */
export const SENT_AT_HEADER = 'Hearth-Sent';

/** @param header as it came, empty without one. @returns ms since 1970; `undefined` for one that an older node sent */
export function sentAtMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

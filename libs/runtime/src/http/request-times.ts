/** Time for the whole head of a request at any port, and for the handshake of TLS before it (limits §6). */
export const HEAD_TIMEOUT_MS = 5_000;
/** How often Node looks for connections that are too slow; its own 30 s would make a 5 s limit meaningless. */
export const SLOW_CHECK_MS = 1_000;

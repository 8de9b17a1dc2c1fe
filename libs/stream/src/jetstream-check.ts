import { connect } from 'nats';

/** Resolves when the server at `url` lets a client in and its JetStream answers, and rejects when not. */
export async function checkJetStream(url: string): Promise<void> {
  const { host, username, password } = new URL(url);
  const connection = await connect({ servers: host, user: username, pass: password, reconnect: false });
  try {
    await (await connection.jetstreamManager()).getAccountInfo();
  } finally {
    await connection.close();
  }
}

/** After all spec files. */
export default async function tearDown(): Promise<void> {
  await globalThis.stopHearthTestServers?.();
}

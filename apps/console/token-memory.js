/**
 * Keeps a secret for the life of this tab, where the user wants that. It is never left in the page's address, or put into
 * storage that outlives the tab.
 *
 * @param {string} name what it is kept under
 * @returns {{ kept(): string | undefined, keep(secret: string | undefined): void }} `keep(undefined)` forgets it
 */
export function memoryOf(name) {
  return {
    kept: () => attempt(() => sessionStorage.getItem(name)) ?? undefined,
    keep: (secret) =>
      attempt(() => (secret === undefined ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, secret))),
  };
}

/** Browsers that keep no data at all throw at the first touch of a storage. */
function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

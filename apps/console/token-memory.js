/**
 * Keeps a token for the life of this tab, where the user wants that. A token is never left in the page's address, or put into
 * storage that outlives the tab.
 */
const NAME = 'hearth-console-token';

/** @returns {string | undefined} */
export function rememberedToken() {
  return attempt(() => sessionStorage.getItem(NAME)) ?? undefined;
}

/** @param {string | undefined} token `undefined` forgets it */
export function rememberToken(token) {
  attempt(() => (token === undefined ? sessionStorage.removeItem(NAME) : sessionStorage.setItem(NAME, token)));
}

/** Browsers that keep no data at all throw at the first touch of a storage. */
function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

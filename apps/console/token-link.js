/**
 * The token of a link such as `/console#token=eyJ…`, as a start prints it. A browser sends what is behind `#` to nobody;
 * it is taken out of the address at once, and so out of bookmarks and the list of visited pages.
 *
 * @param {Location | URL} location
 * @param {Pick<History, 'replaceState'>} history
 * @returns {string | undefined}
 */
export function takeLinkedToken(location, history) {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null || token === '') return undefined;
  history.replaceState(null, '', `${location.pathname}${location.search}`);
  return token;
}

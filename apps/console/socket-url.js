/**
 * Where to connect: the query's `wssUrl`, else `v1` beside this page.
 *
 * @param {Location | URL} location
 * @returns {{ url: URL, isForeign: boolean }} `isForeign`: another host than this page's, which anybody can write into a
 *   link; tokens must not go there unasked
 * @throws {Error} saying what is wrong, in words for the user
 */
export function socketUrl(location) {
  const given = new URLSearchParams(location.search).get('wssUrl');
  if (given === null || given === '') {
    const url = new URL('v1', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    return { url, isForeign: false };
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== 'ws:' && url?.protocol !== 'wss:') {
    throw new Error('wssUrl in the address of this page must begin with ws:// or wss://');
  }
  if (location.protocol === 'https:' && url.protocol === 'ws:') {
    throw new Error('wssUrl must begin with wss://, because this page was loaded over https');
  }
  return { url, isForeign: url.host !== location.host };
}

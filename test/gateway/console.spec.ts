import { startTestbed, type Testbed } from './testbed';

let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const get = (path: string, init?: RequestInit) => fetch(`${testbed.gateway.httpUrl}${path}`, init);

/** Whatever the page names, relative to its own address. */
async function partsOfPage(): Promise<string[]> {
  const html = await (await get('/console')).text();
  return [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = '']) => path);
}

describe('the web console', () => {
  it('is a page that anybody may load, and that may load nothing from elsewhere', async () => {
    const response = await get('/console?wssUrl=wss%3A%2F%2Fexample.com');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy')?.split('; ');
    expect(policy).toEqual(expect.arrayContaining(["default-src 'none'", "script-src 'self'", "style-src 'self'"]));
    expect(policy).toEqual(expect.arrayContaining(["frame-ancestors 'none'", "require-trusted-types-for 'script'"]));
    expect(policy?.join()).not.toMatch(/unsafe|\*/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('has its parts below its own path, each with its type and the same policy', async () => {
    const parts = await partsOfPage();
    expect(parts).toEqual(expect.arrayContaining(['console/main.js', 'console/style.css', 'console/icon.svg']));
    const types: Record<string, string> = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
    for (const part of parts) {
      const response = await get(`/${part}`);
      expect([part, response.status]).toEqual([part, 200]);
      expect(response.headers.get('content-type')).toContain(types[part.split('.').at(-1) ?? ''] ?? 'text/html');
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });

  it.each(['/console/nothing.js', '/console/index.html', '/console/../package.json', '/console/%2e%2e%2fpackage.json'])(
    'has nothing at %s',
    async (path) => expect((await get(path)).status).toBe(404),
  );

  it('can only be read', async () => {
    expect((await get('/console', { method: 'HEAD' })).status).toBe(200);
    expect((await get('/console', { method: 'POST' })).status).toBe(405);
  });

  it('is not there when it is switched off', async () => {
    const without = await testbed.anotherGateway({ consoleEnabled: false });
    for (const path of ['/console', '/console/main.js']) {
      expect((await fetch(`${without.httpUrl}${path}`)).status).toBe(404);
    }
    expect((await fetch(`${without.httpUrl}/`, { headers: BROWSER })).status).toBe(426);
  });
});

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

describe('the address of an installation', () => {
  it.each(['/', '/?from=bookmark'])('opened as %s, is a page that leads on, to browsers', async (path) => {
    const response = await get(path, { headers: BROWSER });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await response.text()).toContain('<a href="console">');
  });

  it('is to everybody else the door for sockets that it was', async () => {
    for (const accept of ['*/*', 'application/json']) {
      const answer = await get('/', { headers: { accept } });
      expect(answer.status).toBe(426);
      expect(await answer.json()).toMatchObject({ error: { code: expect.any(String) } });
    }
    expect((await get('/nothing', { headers: BROWSER })).status).toBe(404);
  });
});

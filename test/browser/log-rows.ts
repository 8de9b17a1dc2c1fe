import type { Page } from 'playwright-core';

/** A line of the console's log. */
export interface Row {
  readonly direction: string;
  readonly name: string;
  /** What a line says behind its name. */
  readonly text: string;
  /** All that was on the wire; empty for a note. */
  readonly wire: string;
}

/** What the log shows at the moment. */
export async function rowsOf(page: Page): Promise<Row[]> {
  const found: Row[] = [];
  for (const item of await page.locator('#log > li:visible').all()) {
    found.push({
      direction: (await item.getAttribute('data-direction')) ?? '',
      name: (await item.locator('.name').textContent()) ?? '',
      text: (await item.locator('.channel, .preview, .note').allTextContents()).join(' '),
      wire:
        (await item.locator('[title]').count()) === 0
          ? ''
          : ((await item.locator('summary').getAttribute('title')) ?? ''),
    });
  }
  return found;
}

// The console in a real browser: node console.mjs DIR URL, where DIR has the browser and playwright-core.
//
// Each step prints "ok NAME", or "failed NAME: why" and ends with status 1. "kill" and "start" ask whoever runs this to stop
// the broker and to start it again, and are answered by a line on standard input.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { mkdirSync } from 'node:fs';

const [dir, url] = process.argv.slice(2);
const { chromium } = createRequire(`${dir}/`)('playwright-core');
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const shots = `${dir}/../../console`;
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({ executablePath: `${dir}/chromium`, args: ['--no-sandbox', '--disable-gpu'] });
console.log(`version ${browser.version()}`);
const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
const page = await context.newPage();
const wrong = [];
page.on('pageerror', (error) => wrong.push(error.message));
page.on('dialog', (dialog) => { wrong.push(`a message was run: ${dialog.message()}`); dialog.dismiss(); });
page.on('console', (line) => {
  if (/Content.Security.Policy/i.test(line.text())) wrong.push(line.text());
});

async function step(name, work) {
  try {
    await work();
    if (wrong.length) throw new Error(wrong.join('; '));
    await page.screenshot({ path: `${shots}/${name}.png` });
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`failed ${name}: ${String(error.message).split('\n').slice(0, 4).join(' ')}`);
    await page.screenshot({ path: `${shots}/${name}.png` }).catch(() => {});
    await browser.close();
    process.exit(1);
  }
}

const go = (hash) => page.evaluate((hash) => { location.hash = hash; }, hash);
const see = (text) => page.getByText(text).first().waitFor({ timeout: 15000 });
async function fill(form) {
  for (const [label, value] of Object.entries(form)) await page.getByLabel(label, { exact: true }).fill(value);
}
async function ask(word) {
  console.log(word);
  await lines.next();
}

await step('empty', async () => {
  await page.goto(url);
  await see('No topic yet');
  await see('Everything is in order');
});

await step('create', async () => {
  await page.getByRole('button', { name: 'Create a topic here' }).click();
  await fill({ Name: 'orders', Partitions: '3' });
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'orders' }).waitFor();
  await see('No message has ever arrived here.');
});

await step('send', async () => {
  await page.getByRole('button', { name: 'Send a message' }).click();
  await fill({ Key: 'customer-1', Value: '<img src=x onerror=alert(1)><script>alert(2)</script>', Headers: 'trace: 7f3a' });
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await see('It is in partition');
  await see('Who has read it');
  await see('on disk');
  if (await page.locator('main img, dialog img, dialog script').count()) throw new Error('markup of a message became elements');
  await page.keyboard.press('Escape');
});

await step('search', async () => {
  await page.evaluate(async () => {
    for (let n = 0; n < 300; n += 1) {
      const headers = { 'content-type': 'application/json', 'x-corrente-console': '1' };
      await fetch('/api/messages', { method: 'POST', headers, body: JSON.stringify({ topic: 'orders', key: `k${n}`, value: `{"order":${n},"big":12345678901234567890}` }) });
    }
  });
  await go('#/');
  await see('Where is my message?');
  await fill({ Topic: 'orders', Contains: '"order":7,' });
  await page.getByRole('button', { name: 'Find it' }).click();
  await see('1 found in 301 messages, which is all there is.');
  await page.locator('tr.open').first().click();
  // A number that JavaScript cannot hold is shown as it was sent.
  await page.locator('dialog').getByText('12345678901234567890').first().waitFor();
  await page.keyboard.press('Escape');
});

await step('pages', async () => {
  await go('#/topic/orders');
  await page.getByRole('button', { name: 'Show older' }).click();
  await see('100 messages');
  await page.getByLabel('Live').check();
  await page.waitForTimeout(1500);
  await page.evaluate(() => fetch('/api/messages', { method: 'POST', headers: { 'content-type': 'application/json', 'x-corrente-console': '1' }, body: '{"topic":"orders","value":"just arrived"}' }));
  await see('just arrived');
});

await step('groups', async () => {
  await ask('consume');
  await go('#/groups');
  await page.getByRole('link', { name: 'billing' }).click();
  await see('has read everything');
  await go('#/topic/orders/readers');
  await page.getByRole('link', { name: 'billing' }).waitFor();
  await go('#/topic/orders/partitions');
  await see('the marks are where groups stand');
});

await step('keyboard', async () => {
  await page.locator('#main').focus();
  await page.keyboard.press('/');
  await page.keyboard.type('ORD');
  await page.getByRole('option', { name: 'topic orders' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'orders' }).waitFor();
});

await step('gone', async () => {
  await go('#/topic/never-there');
  await see('There is no topic never-there: it was deleted, or never created.');
});

await step('away', async () => {
  await go('#/topics');
  await page.getByRole('link', { name: 'orders' }).waitFor();
  await ask('kill');
  await see('The broker does not answer');
});

await step('back', async () => {
  await ask('start');
  await page.locator('#away').waitFor({ state: 'hidden', timeout: 20000 });
  await page.getByRole('link', { name: 'orders' }).waitFor();
});

await step('phone', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const hash of ['#/', '#/topics', '#/topic/orders', '#/topic/orders/partitions', '#/groups', '#/group/billing', '#/broker']) {
    await go(hash);
    await page.waitForTimeout(400);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) throw new Error(`${hash} is ${over} pixels wider than a phone`);
  }
});

await step('delete', async () => {
  await page.setViewportSize({ width: 1280, height: 860 });
  await go('#/topic/orders');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await fill({ 'Write orders to go on': 'orders' });
  await page.getByRole('button', { name: 'Delete it and its messages' }).click();
  await see('orders is deleted.');
});

await browser.close();
// Standard input is still listened to.
process.exit(0);

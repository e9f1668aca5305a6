// The page of `noex-cluster run --http` in a real browser: with a real mesh, and with documents that are hard to show.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { documentsOf, launch, Node, serveDocuments, startMesh } from './mesh.mjs';

const desktop = { width: 1280, height: 900 };
const phone = { width: 375, height: 740 };
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

// Opens the page; whatever the browser complains about, or asks another server for, fails the test.
async function open(context, url, { expected = [], ...options } = {}) {
  const page = await browser.newPage({ viewport: desktop, ...options });
  page.setDefaultTimeout(20000);
  const complaints = [];
  const complain = (text) => expected.some((part) => text.includes(part)) || complaints.push(text);
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complain(message.text()));
  page.on('pageerror', (error) => complain(String(error)));
  page.on('request', (request) => request.url().startsWith(url) || request.url().startsWith('data:') || complain(`asked for ${request.url()}`));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  context.after(async () => {
    const violations = await page.evaluate(() => window.violations).catch(() => []);
    await page.close();
    assert.deepEqual([...complaints, ...violations], []);
  });
  await page.goto(url);
  return page;
}

const textOf = (page, selector) => page.locator(selector).innerText();
const countOf = (page, kind) => page.locator(`.edges.${kind}`).evaluate((path) => (path.getAttribute('d') ?? '').split('M').length - 1);
const waitFor = (page, condition, argument) => page.waitForFunction(condition, argument, { polling: 50 });
const edgesAre = (page, kind, count) => waitFor(page, ([name, wanted]) => (document.querySelector(`.edges.${name}`)?.getAttribute('d') ?? '').split('M').length - 1 === wanted, [kind, count]);
const stateOf = (page, id) => page.locator(`.node[data-id="${id}"]`).getAttribute('class');

async function fits(page) {
  const wide = await page.evaluate(() => [...document.querySelectorAll('body *')]
    .filter((element) => getComputedStyle(element).clipPath === 'none' && !element.closest('thead') && element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => `${element.tagName} ${element.className.baseVal ?? element.className} ${element.textContent.slice(0, 40)}`));
  assert.deepEqual(wide, []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
}

describe('a real mesh', () => {
  let mesh;
  before(async () => {
    mesh = await startMesh(['app1', 'app2', 'app3', 'app4']);
  });
  after(() => Promise.all(mesh?.nodes.map((node) => node.kill()) ?? []));

  test('is drawn, and what happens is shown at once', async (context) => {
    const { nodes, ids, url } = mesh;
    const page = await open(context, url, { expected: ['ERR_CONNECTION_REFUSED', 'ERR_INCOMPLETE_CHUNKED', 'Failed to load resource'] });
    await edgesAre(page, 'mutual', 6);
    assert.equal(await page.locator('#canvas .node').count(), 4);
    assert.equal(await countOf(page, 'one-sided'), 0);
    assert.match(await stateOf(page, ids[0]), /connected local/);
    assert.equal(await textOf(page, '#name'), 'app1');
    assert.equal(await textOf(page, '#availability'), '100 %');
    assert.match(await textOf(page, '#health'), /Healthy/);
    assert.equal(await textOf(page, '#live'), 'Live');
    await page.locator('#rows tr').nth(3).waitFor();
    const rows = await page.locator('#rows tr').allInnerTexts();
    for (const [index, id] of ids.entries()) assert.ok(rows.some((row) => row.includes(id) && (index === 0 || /\d ms/.test(row))), id);

    // A member is killed: it is down, with why, and nobody sees it any more.
    const began = Date.now();
    await nodes[3].kill();
    await waitFor(page, (id) => document.querySelector(`.node[data-id="${id}"]`)?.classList.contains('disconnected'), ids[3]);
    assert.ok(Date.now() - began < 5000, 'within five seconds');
    await edgesAre(page, 'mutual', 3);
    const event = await textOf(page, '#events li:first-child');
    assert.match(event, /down/);
    assert.ok(event.includes(ids[3]));
    assert.match(event, /connection closed/);
    const { evidence } = nodes[0].events.find((one) => one.event === 'down');
    assert.ok(event.includes(evidence), evidence);
    assert.match(await page.locator('#rows tr', { hasText: ids[3] }).innerText(), /✕ down/);
    assert.equal(await textOf(page, '#availability'), '67 %');
    assert.match(await textOf(page, '#health'), /Degraded/);

    // A new one comes.
    nodes.push(new Node('app5', '--port', 'auto', '--seed', ids[0]));
    const fifth = await nodes[4].id();
    await waitFor(page, (id) => document.querySelector(`.node[data-id="${id}"]`)?.classList.contains('connected'), fifth);
    await edgesAre(page, 'mutual', 6);

    // The node itself is held, and says nothing: so does the page, until it is back.
    nodes[0].process.kill('SIGSTOP');
    await page.locator('#banner').waitFor();
    assert.match(await textOf(page, '#banner'), /does not answer/);
    assert.equal(await textOf(page, '#live'), 'Not live');
    nodes[0].process.kill('SIGCONT');
    await page.locator('#banner').waitFor({ state: 'hidden' });

    // It goes away, and another takes its address.
    await nodes[0].kill('SIGTERM');
    await page.locator('#banner').waitFor();
    nodes[0] = new Node('app1', '--port', ids[0].split(':')[1], '--seed', ids[1], '--http', new URL(url).host);
    await page.locator('#banner').waitFor({ state: 'hidden' });
    await edgesAre(page, 'mutual', 6);
    // The events of before are still there, and those of the new process beside them; none twice.
    await waitFor(page, () => document.querySelectorAll('#events li').length >= 8 && /up|running/.test(document.querySelector('#events li').innerText));
    const shown = await page.locator('#events li').evaluateAll((all) => all.map((item) => item.querySelector('time').dateTime + item.innerText));
    assert.equal(new Set(shown).size, shown.length, 'nothing twice');
    assert.ok(shown.some((text) => text.includes(evidence)), 'what happened before is still there');
  });
});

// The page as the program has it, for documents that no mesh on one machine has.
describe('documents', { concurrency: 3 }, () => {
  let node;
  let source;
  before(async () => {
    node = new Node('source', '--port', 'auto', '--http', '127.0.0.1:auto');
    const response = await fetch(await node.url());
    source = { headers: Object.fromEntries([...response.headers].filter(([name]) => /security|content-type/.test(name))), body: await response.text() };
  });
  after(() => node?.kill());

  async function show(context, documents, options) {
    const server = await serveDocuments(source, documents);
    const page = await open(context, server.url, options);
    context.after(() => server.close());
    await page.locator('#canvas .node').first().waitFor();
    return page;
  }

  for (const count of [1, 2, 3, 12, 50, 128]) {
    test(`${count} members fit a desktop and a phone, in the dark, too`, async (context) => {
      const page = await show(context, documentsOf(count), { colorScheme: 'dark' });
      for (const viewport of [desktop, phone]) {
        await page.setViewportSize(viewport);
        await waitFor(page, () => document.querySelector('#canvas svg').viewBox.baseVal.width === document.querySelector('#canvas').clientWidth);
        assert.equal(await page.locator('#canvas .node').count(), count);
        await edgesAre(page, 'mutual', (count * (count - 1)) / 2);
        await waitFor(page, () => !document.getAnimations().some((one) => one instanceof CSSTransition));
        await fits(page);
        const outside = await page.evaluate(() => {
          const frame = document.querySelector('#canvas').getBoundingClientRect();
          return [...document.querySelectorAll('#canvas .shape, #canvas text')].filter((part) => {
            const box = part.getBoundingClientRect();
            return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
          }).map((part) => part.textContent || part.parentNode.dataset.id);
        });
        assert.deepEqual(outside, [], 'no node and no name leaves the picture');
      }
      const [paper, ink] = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]);
      const light = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
      assert.ok(light(paper) < 150 && light(ink) > 600, `${paper} ${ink}`);
    });
  }

  test('one-sided, unconfirmed and unknown are told apart', async (context) => {
    const documents = documentsOf(5);
    const [a, b, c, d] = documents.members.members;
    a.clock_offset_ms = -2340;
    a.sees = a.sees.filter((id) => id !== b.id); // b still sees a
    c.sees = null;
    Object.assign(d, { status: 'disconnected', sees: null, rtt_us: null });
    documents.members.local.sees = documents.members.local.sees.filter((id) => id !== d.id);
    for (const member of [a, b]) member.sees = member.sees.filter((id) => id !== d.id);
    const page = await show(context, documents);
    await edgesAre(page, 'mutual', 2); // local with a and with b
    await edgesAre(page, 'one-sided', 1);
    await edgesAre(page, 'unconfirmed', 3);
    assert.equal(await page.locator('.arrows').evaluate((path) => path.getAttribute('d').split('M').length - 1), 1);
    assert.match(await textOf(page, '#mesh-note'), /2 members it is not known whom they see/);
    assert.match(await textOf(page, '#legend'), /one side only/);
    const shapes = await page.locator('#canvas .node').evaluateAll((all) => Object.fromEntries(all.map((node) => [node.dataset.id, node.querySelector('.shape').getAttribute('d')])));
    assert.notEqual(shapes[d.id], shapes[a.id], 'a shape as well as a colour');
    // Chosen by a click: it says whom it does not see.
    await page.locator(`.node[data-id="${a.id}"]`).click();
    assert.match(await textOf(page, '#detail'), /connected, does not see node-003, its clock is 2.3 s behind/);
    assert.match(await page.locator('#rows tr.chosen').innerText(), /node-002/);
  });

  test('seeds that are not reached are named, with why', async (context) => {
    const documents = documentsOf(1);
    documents.status.seeds = [
      { seed: 'app2@10.0.0.2:4369', node: null, state: 'waiting', failure: 'connection refused' },
      { seed: 'app3@10.0.0.3:4369', node: 'app3@10.0.0.3:4369', state: 'connected', failure: null },
      { seed: 'app4@10.0.0.4:4369', node: null, state: 'dialling', failure: null },
    ];
    const page = await show(context, documents);
    await page.locator('#seeds li').first().waitFor();
    assert.deepEqual(await page.locator('#seeds li').allInnerTexts(), ['Seed app2@10.0.0.2:4369: connection refused, tried again', 'Seed app4@10.0.0.4:4369: dialling']);
    documents.status.seeds = [];
    await page.locator('#seeds').waitFor({ state: 'hidden' });
  });

  test('what is down comes first in the table, and a filter finds names', async (context) => {
    const documents = documentsOf(40);
    Object.assign(documents.members.members[30], { status: 'disconnected', sees: null });
    Object.assign(documents.members.members[35], { status: 'connecting', sees: null });
    const page = await show(context, documents);
    const first = async (row) => (await page.locator('#rows tr').nth(row).innerText()).split('\n')[0].trim();
    assert.match(await first(0), /node-001/);
    assert.match(await first(1), /node-032/);
    assert.match(await first(2), /node-037/);
    await page.locator('#filter').fill('NODE-01');
    assert.equal(await page.locator('#rows tr:visible').count(), 10);
  });

  test('hostile text is text', async (context) => {
    const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
    const documents = documentsOf(4);
    const [member] = documents.members.members;
    for (const other of [documents.members.local, ...documents.members.members]) other.sees = other.sees.map((id) => (id === member.id ? evil : id));
    member.id = evil;
    member.address = evil;
    documents.status.name = evil;
    documents.status.cluster_name = evil;
    documents.status.version = evil;
    documents.events = [
      { event: 'down', at: Date.now(), node: evil, reason: evil, evidence: evil },
      { event: 'error', at: Date.now(), kind: evil, message: evil, node: evil, address: evil },
      { event: evil, at: Date.now(), node: `${'x'.repeat(600)}\u202e${evil}` },
    ];
    for (const viewport of [desktop, phone]) {
      const page = await show(context, documents, { viewport });
      await page.locator('#events li').nth(2).waitFor();
      assert.equal(await page.locator('img, body script:not([nonce])').count(), 0);
      for (const place of ['#name', '#events', '#rows', '#node-note', '#version']) assert.ok((await textOf(page, place)).includes('<img src=x'), place);
      assert.ok(!(await page.title()).startsWith('owned'));
      await fits(page);
    }
  });

  test('the keyboard reaches everything', async (context) => {
    const page = await show(context, documentsOf(5));
    const focused = () => page.evaluate(() => document.activeElement.dataset.id ?? document.activeElement.id);
    await page.locator('.node.local').focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await focused(), /^node-002/);
    assert.match(await textOf(page, '#detail'), /^node-002.*sees everyone/);
    await page.keyboard.press('End');
    assert.match(await focused(), /^node-005/);
    await page.keyboard.press('ArrowRight');
    assert.match(await focused(), /^node-001/);
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.chosen:not(path)').count(), 0);
    const stops = await page.locator('.node[tabindex="0"]').count();
    assert.equal(stops, 1, 'the mesh is one stop of the Tab key');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'events');
    assert.equal(await page.locator('.node[aria-label*="this node"][role="button"]').count(), 1);
  });

  test('whoever wants no motion has none', async (context) => {
    const page = await show(context, documentsOf(3), { reducedMotion: 'reduce' });
    const moving = () => page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => {
      const style = getComputedStyle(element);
      return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0;
    }).length);
    assert.equal(await moving(), 0);
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    assert.ok((await moving()) > 0, 'the others have some: the test can see it');
  });

  test('a node that stops is said to, and what was known stays', async (context) => {
    const documents = documentsOf(3);
    const page = await show(context, documents, { expected: ['503'] });
    documents.failure = { error: 'the cluster is not started' };
    await page.locator('#banner').waitFor();
    assert.match(await textOf(page, '#banner'), /not running: the cluster is not started/);
    assert.equal(await page.locator('#canvas .node').count(), 3);
    documents.failure = null;
    await page.locator('#banner').waitFor({ state: 'hidden' });
  });
});

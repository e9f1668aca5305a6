// Looks at the site as a visitor would, in frames of a phone's and of a desk's width, and posts what it saw to the server
// that test_browser.py has started. Runs in a page beside the site's own.

const pages = await (await fetch('/pages.json')).json();

function opened(path, width) {
  return new Promise((resolve) => {
    const frame = document.createElement('iframe');
    Object.assign(frame.style, { width: `${width}px`, height: '900px', border: '0' });
    frame.onload = () => resolve(frame);
    frame.src = path;
    document.body.append(frame);
  });
}

async function until(condition) {
  for (let left = 400; left > 0; left--) {
    const found = condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return undefined;
}

/** Pages that scroll sideways on a phone: what is wider than the screen must scroll by itself. */
async function tooWide() {
  const found = [];
  for (const path of pages) {
    const frame = await opened(path, 375);
    const root = frame.contentDocument.documentElement;
    if (root.scrollWidth > 376) found.push(`${path}: ${root.scrollWidth} px`);
    frame.remove();
  }
  return found;
}

/** The tabs that show, by their names, after a visitor has chosen a language in the first set; and on the next page. */
async function tabs() {
  const shown = (frame) =>
    [...frame.contentDocument.querySelectorAll('.sd-tab-set')].map((set) => {
      const input = [...set.querySelectorAll(':scope > input')].find((one) => one.checked);
      return set.querySelector(`label[for="${input.id}"]`).textContent.trim();
    });
  const frame = await opened('/getting-started.html', 1200);
  const before = shown(frame);
  const labels = [...frame.contentDocument.querySelectorAll('label.sd-tab-label')];
  labels.find((label) => label.textContent.trim() === 'Node').click();
  await until(() => new Set(shown(frame)).size === 1 && shown(frame)[0] === 'Node');
  const after = shown(frame);
  frame.remove();
  const next = await opened('/configuration.html', 1200);
  await until(() => shown(next).includes('Node'));
  const there = shown(next);
  next.remove();
  return { before, after, there };
}

/** What the search finds, without any server but a folder. */
async function search(words) {
  const frame = await opened(`/search.html?q=${words}`, 1200);
  const links = () => [...frame.contentDocument.querySelectorAll('#search-results li a')].map((link) => link.textContent);
  await until(() => /finished/i.test(frame.contentDocument.querySelector('#search-results')?.textContent ?? ''));
  await until(() => links().length > 0);
  const found = links();
  frame.remove();
  return found;
}

/** The brightness of page and text, 0 to 255, by light and in the dark. */
async function brightness() {
  const frame = await opened('/getting-started.html', 1200);
  const seen = {};
  for (const theme of ['light', 'dark']) {
    frame.contentDocument.body.dataset.theme = theme;
    const of = (property, element) => {
      const color = frame.contentWindow.getComputedStyle(element)[property];
      const [red, green, blue] = color.match(/\d+/g).map(Number);
      return Math.round((red + green + blue) / 3);
    };
    const code = frame.contentDocument.querySelector('.highlight');
    seen[theme] = {
      page: of('backgroundColor', frame.contentDocument.body),
      text: of('color', frame.contentDocument.body),
      code: of('backgroundColor', code),
      codeText: of('color', code.querySelector('pre')),
    };
  }
  frame.remove();
  return seen;
}

const seen = {};
try {
  seen.tooWide = await tooWide();
  seen.tabs = await tabs();
  seen.search = { heartbeat: await search('heartbeat'), noex_cluster_stop: await search('noex_cluster_stop') };
  seen.brightness = await brightness();
} catch (error) {
  seen.error = String(error.stack ?? error);
}
await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });

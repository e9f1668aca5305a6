// The picture of the documentation, from a real mesh of nodes: node tests/web/screenshot.mjs [FILE.png] [--dark] [--phone]

import path from 'node:path';
import { launch, root, startMesh } from './mesh.mjs';

const options = process.argv.slice(2);
const file = options.find((option) => !option.startsWith('--')) ?? path.join(root, 'docs/images/mesh-page.png');
const viewport = options.includes('--phone') ? { width: 375, height: 740 } : { width: 1120, height: 826 };

const mesh = await startMesh(['web1', 'web2', 'api1', 'api2', 'api3', 'worker1', 'worker2'], '--cluster-name', 'shop');
const browser = await launch();
try {
  await mesh.nodes[6].kill();
  const page = await browser.newPage({ viewport, colorScheme: options.includes('--dark') ? 'dark' : 'light', timezoneId: 'UTC' });
  await page.goto(mesh.url);
  // All that are left see each other, and the one that was killed is down.
  await page.waitForFunction(() => (document.querySelector('.edges.mutual')?.getAttribute('d') ?? '').split('M').length === 16 && document.querySelector('#canvas .node.disconnected'));
  await page.locator('#events li').first().waitFor();
  await page.waitForFunction(() => !document.querySelector('.edges.unconfirmed').getAttribute('d') && !document.getAnimations().some((one) => one instanceof CSSTransition));
  await page.screenshot({ path: file, animations: 'disabled' });
  console.log(file);
} finally {
  await browser.close();
  await Promise.all(mesh.nodes.map((node) => node.kill()));
}

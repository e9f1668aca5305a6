// The page around the mesh: asks the node every second for its documents, listens to its events, and says so when it
// does not answer. Text of the cluster goes into text nodes only.
const REFRESH_MS = 1000;
const ANSWER_MS = 4000;
const EVENTS_MAX = 60;
const SEEN_MAX = 1024; // more than the server keeps, and sends again
const FAILURES_MS = 5 * 60 * 1000;

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const events = []; // the newest first
const seen = new Set();
const rows = new Map(); // id -> its row
let members = [];
let local = null;
let chosen = null;
let lostAt = null;
let timer = 0;
let eventTimer = 0;
let refreshing = false;
let lastDocument = null;

function html(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// Touches the page only where something is new, so that what is selected or read aloud stays.
function put(element, text, tone) {
  if (element.textContent !== text) element.textContent = text;
  if (tone !== undefined && element.className !== tone) element.className = tone;
}

function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function roundTrip(us) {
  if (us === null || us === undefined) return '–';
  return us < 1000 ? `${(us / 1000).toFixed(2)} ms` : `${(us / 1000).toFixed(us < 10000 ? 1 : 0)} ms`;
}

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

const mesh = new Mesh($('canvas'), (id) => choose(id));

function choose(id) {
  chosen = id;
  mesh.choose(id);
  for (const [key, row] of rows) row.element.classList.toggle('chosen', key === id);
  showDetail();
}

function showDetail() {
  const member = members.find(({ id }) => id === chosen);
  if (!member) return put($('detail'), members.length > 1 ? 'Choose a member to see whom it sees.' : 'Nobody else is known yet.', 'detail note');
  const others = members.filter(({ id, status }) => id !== member.id && status !== 'disconnected');
  let sight = 'whom it sees is not known';
  if (member.sees) {
    const missing = others.filter(({ id }) => !member.sees.includes(id)).map(({ id }) => mesh.names.get(id));
    sight = missing.length ? `does not see ${missing.slice(0, 6).join(', ')}${missing.length > 6 ? ` and ${missing.length - 6} more` : ''}` : 'sees everyone who is up';
  }
  const offset = member.clock_offset_ms ?? 0;
  const ahead = Math.abs(offset) < 500 ? '' : `, its clock is ${(Math.abs(offset) / 1000).toFixed(1)} s ${offset > 0 ? 'ahead' : 'behind'}`;
  put($('detail'), `${member.id} – ${STATES[member.status]}, ${sight}${ahead}`, 'detail');
}

function showSummary(status) {
  const others = members.filter(({ id }) => id !== local);
  const connected = others.filter((member) => member.status === 'connected').length;
  const availability = others.length ? Math.round((connected / others.length) * 100) : 100;
  const since = Date.now() - FAILURES_MS;
  const failures = events.filter(({ event, at }) => event === 'down' && at > since).length;
  // The same bounds as in `noex-cluster watch` and the health monitors of the examples.
  const [word, tone] =
    availability >= 80 && failures <= 1 ? ['✓ Healthy', 'good'] : availability >= 50 && failures <= 3 ? ['! Degraded', 'warn'] : ['✕ Critical', 'bad'];
  put($('health'), word, tone);
  put($('health-note'), `${plural(failures, 'node')} down in the last 5 minutes`);
  put($('availability'), `${availability} %`);
  put($('availability-note'), `${connected} of ${others.length} others connected`);
  put($('count'), String(members.length));
  const count = (state) => others.filter((member) => member.status === state).length;
  put($('count-note'), `${count('connecting')} connecting, ${count('disconnected')} down`);
  put($('node-status'), status.status);
  const cluster = status.cluster_name ? `, cluster ${status.cluster_name}` : '';
  put($('node-note'), `up ${duration(status.uptime_ms)}${cluster}, ${status.authenticated ? 'with a' : 'no'} secret`);
  put($('name'), status.name ?? local);
  put($('id'), local);
  put($('version'), `noex-cluster ${status.version}, process ${status.pid}, a heartbeat every ${status.heartbeat_interval_ms / 1000} s`);
  document.title = `${connected + 1}/${members.length} ${status.name ?? local} – noex-cluster`;
}

// Why a node stands alone: what it is told to join through, and what came of it.
function showSeeds(seeds = []) {
  const open = seeds.filter(({ state }) => state === 'dialling' || state === 'waiting');
  const texts = open.map(({ seed, state, failure }) => `Seed ${seed}: ${failure ? `${failure}, tried again` : state}`);
  const key = texts.join('\n');
  if ($('seeds').dataset.key === key) return;
  $('seeds').dataset.key = key;
  $('seeds').hidden = texts.length === 0;
  $('seeds').replaceChildren(...texts.map((textContent) => html('li', { className: 'warn', textContent })));
}

function showLegend() {
  const { oneSided, unconfirmed } = mesh.edges;
  const sample = (kind, ...shapes) => [kind, svg('svg', { viewBox: '0 0 26 16', 'aria-hidden': 'true' }, ...shapes)];
  const node = (status) => sample(STATES[status], svg('g', { class: `node ${status}`, transform: 'translate(13 8)' }, svg('path', { class: 'shape', d: shapeOf(status, 5.5) })));
  const line = (kind, text) => sample(text, svg('path', { class: `edges ${kind}`, d: 'M0 8H26' }));
  const ring = svg('g', { class: 'node connected', transform: 'translate(13 8)' }, svg('path', { class: 'shape', d: shapeOf('connected', 4) }), svg('circle', { class: 'ring', r: 7 }));
  const entries = [sample('this node', ring), ...Object.keys(STATES).map(node), line('mutual', 'both see each other')];
  if (oneSided.length) entries.push(line('one-sided', 'seen from one side only'));
  if (unconfirmed.length) entries.push(line('unconfirmed', 'one side says so, the other is unknown'));
  const key = entries.map(([text]) => text).join();
  if ($('legend').dataset.key !== key) {
    $('legend').dataset.key = key;
    $('legend').replaceChildren(...entries.map(([text, picture]) => html('li', {}, picture, text)));
  }
  const unknown = members.filter((member) => !member.sees).length;
  const notes = ['Each member says by gossip whom it sees; after a change that takes a few heartbeats.'];
  if (unknown) notes.push(`Of ${plural(unknown, 'member')} it is not known whom ${unknown === 1 ? 'it sees' : 'they see'}: no line is drawn from there.`);
  put($('mesh-note'), notes.join(' '));
}

function addRow(id) {
  const name = html('span');
  const button = html('button', { type: 'button' }, name);
  button.addEventListener('click', () => choose(chosen === id ? null : id));
  const here = html('span', { className: 'here', textContent: 'this node' });
  const where = html('span', { className: 'where', textContent: id });
  const cells = ['State', 'Round trip', 'Up for', 'Processes', 'Last heartbeat', 'Sees'].map((label) => {
    const value = html('span');
    const cell = html('td', {}, value);
    cell.dataset.label = label;
    return { cell, value };
  });
  const element = html('tr', {}, html('th', { scope: 'row' }, button, here, where), ...cells.map(({ cell }) => cell));
  const row = { element, name, here, where, values: cells.map(({ value }) => value) };
  rows.set(id, row);
  return row;
}

function showRows(at) {
  const wanted = $('filter').value.trim().toLowerCase();
  const up = members.filter(({ status }) => status !== 'disconnected').length;
  for (const [id, row] of rows) {
    if (members.some((member) => member.id === id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  // What needs a look comes first, behind the node itself.
  const rank = (member) => (member.id === local ? 0 : { disconnected: 1, connecting: 2 }[member.status] ?? 3);
  const ordered = [...members].sort((one, other) => rank(one) - rank(other)); // stable: by id among equals
  ordered.forEach((member, index) => {
    const { id, status } = member;
    const row = rows.get(id) ?? addRow(id);
    const isLocal = id === local;
    if ($('rows').children[index] !== row.element) $('rows').insertBefore(row.element, $('rows').children[index] ?? null);
    row.element.hidden = wanted !== '' && !id.toLowerCase().includes(wanted);
    row.here.hidden = !isLocal;
    put(row.name, mesh.names.get(id));
    put(row.where, member.address && !id.endsWith(member.address) ? `${id}, at ${member.address}` : id);
    const beat = isLocal ? '–' : member.last_heartbeat_at ? `${duration(at - member.last_heartbeat_at)} ago` : 'none yet';
    const sight = member.sees ? `${member.sees.length} of ${Math.max(up - (status === 'disconnected' ? 0 : 1), 0)}` : 'not known';
    const texts = [`${MARKS[status] ?? '?'} ${STATES[status] ?? status}`, roundTrip(member.rtt_us), status === 'connected' ? duration(member.uptime_ms) : '–', String(member.process_count), beat, sight];
    texts.forEach((text, column) => put(row.values[column], text, column === 0 ? TONES[status] : ''));
  });
  $('filter').hidden = members.length < 8;
}

function showEvents() {
  $('no-events').hidden = events.length > 0;
  $('events').replaceChildren(
    ...events.map((one) => {
      const tone = { up: 'good', down: 'bad', error: 'bad' }[one.event] ?? 'note';
      const mark = { up: '▲ up', down: '▼ down', error: '! error' }[one.event] ?? one.event;
      const at = new Date(one.at);
      const what = one.event === 'status' ? one.status : one.event === 'error' ? one.kind : one.node;
      const why = one.event === 'down' ? one.reason?.replaceAll('_', ' ') : one.event === 'error' ? one.message : '';
      const item = html('li', {}, html('div', { className: 'head' }, html('time', { dateTime: at.toISOString(), title: at.toLocaleString(), textContent: clock.format(at) }), html('span', { className: `kind ${tone}`, textContent: mark }), html('span', { textContent: what ?? '' })));
      if (why) item.append(html('p', { className: 'why', textContent: why }));
      const evidence = one.evidence || (one.event === 'error' ? [one.node, one.address].filter(Boolean).join(' ') : '');
      if (evidence) item.append(html('p', { className: 'evidence', textContent: evidence }));
      return item;
    }),
  );
}

function showConnection(problem) {
  const isLive = !problem;
  if (isLive) lostAt = null;
  else lostAt ??= new Date();
  $('live').className = `live ${isLive ? 'is-live' : 'is-lost'}`;
  put($('live-text'), isLive ? 'Live' : 'Not live');
  document.body.classList.toggle('is-stale', !isLive);
  $('banner').hidden = isLive;
  if (problem) put($('banner'), `${problem} What is shown is of ${clock.format(lostAt)}. Trying again…`);
}

async function ask(path) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
  return { ok: response.ok, body: await response.json() };
}

async function refresh() {
  if (refreshing) return;
  refreshing = true;
  clearTimeout(timer);
  try {
    const [list, status] = await Promise.all([ask('members'), ask('status')]);
    if (!list.ok || !status.ok) {
      showConnection(`The node is not running: ${(list.ok ? status : list).body.error ?? 'it says no more'}.`);
    } else {
      show(list.body, status.body);
      showConnection(null);
    }
  } catch (error) {
    showConnection('The node does not answer.');
    console.debug(error);
  }
  refreshing = false;
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

function show(list, status) {
  lastDocument = list;
  local = list.local.id;
  members = [list.local, ...list.members.filter(({ id }) => id !== local)];
  mesh.show(members, local);
  showSummary(status);
  showSeeds(status.seeds);
  showLegend();
  showRows(list.at);
  showDetail();
}

function listen() {
  const source = new EventSource('events');
  source.onmessage = ({ data, lastEventId }) => {
    if (seen.has(lastEventId)) return;
    seen.add(lastEventId);
    if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value);
    events.unshift(JSON.parse(data));
    events.length = Math.min(events.length, EVENTS_MAX);
    // Several come at once when the page opens, or when a node dies: one drawing is enough.
    clearTimeout(eventTimer);
    eventTimer = setTimeout(() => {
      showEvents();
      refresh();
    }, 50);
  };
  source.onerror = () => {
    // A browser tries again by itself unless the answer was a refusal.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
}

$('filter').addEventListener('input', () => lastDocument && showRows(lastDocument.at));
document.addEventListener('visibilitychange', () => document.hidden || refresh());
listen();
refresh();

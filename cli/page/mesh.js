// The mesh as SVG: members on a ring, and between them who says of whom that it is connected to it.
const MARKS = { connected: '●', connecting: '◇', disconnected: '✕' };
const STATES = { connected: 'connected', connecting: 'connecting', disconnected: 'down' };
const TONES = { connected: 'good', connecting: 'warn', disconnected: 'bad' };
const RADIAL_FROM = 21; // so many members stand closer than their names are long: the names point outwards

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Two lists make an edge: `mutual` if each has the other; `oneSided` if only one has; `unconfirmed` if the other's is
// not known. Where nobody says anything there is no edge.
function edgesOf(members) {
  const sees = new Map(members.map((member) => [member.id, member.sees && new Set(member.sees)]));
  const edges = { mutual: [], oneSided: [], unconfirmed: [] };
  for (const [from, seen] of sees) {
    for (const to of seen ?? []) {
      if (to === from || !sees.has(to)) continue;
      const back = sees.get(to);
      if (!back) edges.unconfirmed.push([from, to]);
      else if (!back.has(from)) edges.oneSided.push([from, to]);
      else if (from < to) edges.mutual.push([from, to]);
    }
  }
  return edges;
}

// The name before the @, or the whole id where two members have one name.
function namesOf(members) {
  const counts = new Map();
  const short = (id) => id.slice(0, Math.max(id.lastIndexOf('@'), 0)) || id;
  for (const { id } of members) counts.set(short(id), (counts.get(short(id)) ?? 0) + 1);
  return new Map(members.map(({ id }) => [id, counts.get(short(id)) > 1 ? id : short(id)]));
}

const shorten = (text, length) => ([...text].length > length ? `${[...text].slice(0, length - 1).join('')}…` : text);

// Where each member stands in width × height pixels: the first at the top, the others clockwise.
function layoutOf(count, width) {
  const narrow = width < 520;
  const radial = count >= RADIAL_FROM;
  const height = radial ? Math.min(width, 660) : Math.min(Math.max(width * 0.66, count > 4 ? 320 : 260), count > 8 ? 560 : 460);
  const room = radial ? (narrow ? 68 : 96) : 40;
  const ry = height / 2 - room;
  const rx = radial ? ry : Math.min(width / 2 - (narrow ? 84 : 120), ry * 1.5);
  const spacing = count > 1 ? (2 * Math.PI * Math.min(rx, ry)) / count : 100;
  const points = Array.from({ length: count }, (_, index) => {
    const angle = (2 * Math.PI * index) / count - Math.PI / 2;
    const radius = count === 1 ? 0 : 1;
    return { angle, x: width / 2 + radius * rx * Math.cos(angle), y: height / 2 + radius * ry * Math.sin(angle) };
  });
  const size = Math.min(Math.max(spacing * 0.3, 2.8), 12);
  return { width, height, radial, narrow, spacing, points, size, labelled: !radial || spacing >= 9 };
}

function shapeOf(status, r) {
  if (status === 'connecting') return `M0 ${-r * 1.15}L${r * 1.15} 0L0 ${r * 1.15}L${-r * 1.15} 0Z`;
  if (status === 'disconnected') {
    const c = r * 0.75;
    return `M${-c} ${-c}L${c} ${c}M${c} ${-c}L${-c} ${c}`;
  }
  return `M0 ${-r}A${r} ${r} 0 1 1 0 ${r}A${r} ${r} 0 1 1 0 ${-r}Z`;
}

class Mesh {
  constructor(canvas, onChoose) {
    this.canvas = canvas;
    this.onChoose = onChoose;
    this.nodes = new Map(); // id -> the group that shows it
    this.members = [];
    this.local = null;
    this.chosen = null;
    this.root = svg('svg', { role: 'group', 'aria-label': 'The members in a ring; the arrow keys go around' });
    this.lines = Object.fromEntries(['unconfirmed', 'mutual', 'one-sided', 'chosen'].map((kind) => [kind, svg('path', { class: `edges ${kind}` })]));
    this.arrows = svg('path', { class: 'arrows' });
    this.root.append(...Object.values(this.lines), this.arrows);
    this.root.addEventListener('keydown', (event) => this.move(event));
    canvas.append(this.root);
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // `members` begins with the local node.
  show(members, local) {
    this.members = members;
    this.local = local;
    this.edges = edgesOf(members);
    this.names = namesOf(members);
    this.draw();
  }

  choose(id) {
    this.chosen = this.members.some((member) => member.id === id) ? id : null;
    this.draw();
  }

  draw() {
    const width = Math.floor(this.canvas.clientWidth);
    if (!this.members.length || width < 50) return;
    const layout = layoutOf(this.members.length, width);
    this.root.setAttribute('viewBox', `0 0 ${layout.width} ${layout.height}`);
    this.root.setAttribute('height', layout.height);
    this.places = new Map(this.members.map((member, index) => [member.id, layout.points[index]]));
    if (!this.places.has(this.chosen)) this.chosen = null;
    this.root.classList.toggle('has-chosen', this.chosen !== null);
    this.drawEdges(layout);
    for (const [id, group] of this.nodes) {
      if (this.places.has(id)) continue;
      group.remove();
      this.nodes.delete(id);
    }
    for (const member of this.members) this.drawNode(member, layout);
  }

  drawEdges(layout) {
    const at = (id) => this.places.get(id);
    const line = ([from, to]) => `M${at(from).x.toFixed(1)} ${at(from).y.toFixed(1)}L${at(to).x.toFixed(1)} ${at(to).y.toFixed(1)}`;
    const { mutual, oneSided, unconfirmed } = this.edges;
    this.lines.mutual.setAttribute('d', mutual.map(line).join(''));
    this.lines.unconfirmed.setAttribute('d', unconfirmed.map(line).join(''));
    // Many lines are fainter each, so that those that are amiss stand out.
    const opacity = (lines, most) => Math.max(0.16, Math.min(most, 60 / lines.length)).toFixed(2);
    this.lines.mutual.setAttribute('opacity', opacity(mutual, 0.75));
    this.lines.unconfirmed.setAttribute('opacity', opacity([...mutual, ...unconfirmed], 1));
    this.lines['one-sided'].setAttribute('d', oneSided.map(line).join(''));
    const ofChosen = ([from, to]) => from === this.chosen || to === this.chosen;
    this.lines.chosen.style.strokeWidth = this.members.length > 40 ? 1.1 : 2;
    this.lines.chosen.setAttribute('d', mutual.filter(ofChosen).map(line).join(''));
    // An arrow for what is seen from one side only: it points at who does not answer.
    const arrow = ([from, to]) => {
      const [a, b] = [at(from), at(to)];
      const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
      const [ux, uy] = [(b.x - a.x) / length, (b.y - a.y) / length];
      const [x, y] = [b.x - ux * (layout.size + 4), b.y - uy * (layout.size + 4)];
      const half = layout.size > 6 ? 4.5 : 3;
      const corner = (along, across) => `${(x - ux * along - uy * across).toFixed(1)} ${(y - uy * along + ux * across).toFixed(1)}`;
      return `M${corner(0, 0)}L${corner(half * 2, half)}L${corner(half * 2, -half)}Z`;
    };
    this.arrows.setAttribute('d', oneSided.map(arrow).join(''));
  }

  drawNode(member, layout) {
    const { id, status } = member;
    const group = this.nodes.get(id) ?? this.addNode(id);
    const { x, y, angle } = this.places.get(id);
    const { size } = layout;
    const isLocal = id === this.local;
    const isChosen = id === this.chosen;
    group.setAttribute('class', `node ${status}${isLocal ? ' local' : ''}${isChosen ? ' chosen' : ''}`);
    group.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    group.setAttribute('tabindex', id === (this.chosen ?? this.local) ? '0' : '-1');
    group.setAttribute('aria-label', `${id}, ${STATES[status]}${isLocal ? ', this node' : ''}`);
    group.setAttribute('aria-pressed', String(isChosen));
    const [hit, focus, back, ring, shape, text, title] = group.children;
    hit.setAttribute('r', Math.max(size + 4, Math.min(layout.spacing / 2, 20)));
    focus.setAttribute('r', size + 7);
    back.setAttribute('r', size + 1);
    ring.setAttribute('r', isLocal ? size + 4 : 0);
    shape.setAttribute('d', shapeOf(status, size));
    title.textContent = `${id}\n${STATES[status]}`;

    const shown = layout.labelled || isLocal || isChosen || status !== 'connected';
    const name = this.names.get(id);
    const gap = size + (isLocal || isChosen ? 10 : 7);
    const left = Math.cos(angle) < -0.01;
    text.textContent = shown ? shorten(name, layout.radial ? (layout.narrow ? 8 : 14) : layout.narrow ? 9 : 18) : '';
    if (layout.radial) {
      const degrees = (angle * 180) / Math.PI;
      text.setAttribute('font-size', Math.min(Math.max(layout.spacing * 0.85, 8), layout.narrow ? 9.5 : 11.5).toFixed(1));
      text.setAttribute('transform', `rotate(${(left ? degrees + 180 : degrees).toFixed(1)}) translate(${left ? -gap : gap} 0)`);
      text.setAttribute('text-anchor', left ? 'end' : 'start');
      text.setAttribute('dy', '0.35em');
      return;
    }
    const middle = this.members.length === 1 || Math.abs(Math.cos(angle)) < 0.35;
    const below = this.members.length === 1 || Math.sin(angle) > 0;
    text.setAttribute('font-size', layout.narrow ? 11.5 : 13);
    text.setAttribute('text-anchor', middle ? 'middle' : left ? 'end' : 'start');
    text.setAttribute('transform', middle ? `translate(0 ${below ? gap + 11 : -gap - 3})` : `translate(${left ? -gap : gap} 0)`);
    text.setAttribute('dy', middle ? '0' : '0.35em');
  }

  addNode(id) {
    const circle = (name) => svg('circle', { class: name });
    const group = svg('g', { role: 'button' }, circle('hit'), circle('focus'), circle('back'), circle('ring'), svg('path', { class: 'shape' }), svg('text'), svg('title'));
    group.dataset.id = id;
    group.addEventListener('click', () => this.onChoose(this.chosen === id ? null : id));
    this.nodes.set(id, group);
    this.root.append(group);
    return group;
  }

  move(event) {
    const ids = this.members.map((member) => member.id);
    const here = ids.indexOf(event.target.closest('.node')?.dataset.id);
    const to = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (event.key === 'Escape') this.onChoose(null);
    else if (event.key === 'Enter' || event.key === ' ') this.onChoose(this.chosen === ids[here] ? null : ids[here]);
    else if (to === undefined) return;
    else {
      const id = ids[(to + ids.length) % ids.length];
      this.onChoose(id);
      this.nodes.get(id).focus();
    }
    event.preventDefault();
  }
}

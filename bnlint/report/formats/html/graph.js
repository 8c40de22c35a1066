// The graph that is looked at: opened and closed, moved and scaled, searched, picked from.

function newGraphView(data) {
  const canvas = document.getElementById("canvas");
  const stage = svg("g", {});
  canvas.append(arrowHead(), stage);
  const panel = newPanel(document.getElementById("panel"), data, go);
  const eye = { x: 0, y: 0, scale: 1 };
  let state = null;

  function load(index) {
    const graph = data.graphs[index];
    const { root, ops } = growTree(graph.nodes);
    const edges = graph.edges.map(([from, to]) => [ops[from], ops[to]]);
    state = { index, graph, root, ops, edges, picked: null, hits: new Set(), elements: new Map() };
    mark(state, data.findings);
    openSome(root, 48);
    draw();
    home();
    document.getElementById("next").hidden = state.places.size === 0;
    panel.model(graph, state.found);
  }

  function draw() {
    const classes = state.graph.classes;
    const { boxes, links, width, height } = arrange(state.root, state.edges, measurer(classes));
    Object.assign(state, { width, height, elements: new Map() });
    for (const l of links) {
      const kind = `link${l.back ? " back" : ""}`;
      state.elements.set(l, svg("path", { class: kind, d: l.path, ...(l.arrow && { "marker-end": "url(#arrow)" }) }));
    }
    const frames = boxes.map(drawBox);
    for (const item of drawn(state.root)) state.elements.set(item, item.open ? drawLabel(item, classes) : drawUnit(item, classes));
    for (const [item, element] of state.elements) element.item = item;
    boxes.forEach((group, n) => (frames[n].item = group));
    stage.replaceChildren(...frames, ...state.elements.values());
    highlight();
  }

  function highlight() {
    const { picked, hits, elements } = state;
    const unit = picked && unitOf(picked);
    const hitUnits = new Set([...hits].map(unitOf));
    stage.classList.toggle("searching", hits.size > 0);
    for (const [item, element] of elements) {
      const near = item.path && item.ends ? item.source === unit || item.ends.has(unit) : false;
      element.classList.toggle("hot", near);
      element.classList.toggle("picked", item === unit || item === picked);
      element.classList.toggle("hit", hitUnits.has(item));
    }
  }

  function look() {
    stage.setAttribute("transform", `translate(${eye.x} ${eye.y}) scale(${eye.scale})`);
    stage.classList.toggle("far", eye.scale < 0.3);
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(4, Math.max(0.02, eye.scale * factor));
    eye.x = x - ((x - eye.x) * scale) / eye.scale;
    eye.y = y - ((y - eye.y) * scale) / eye.scale;
    eye.scale = scale;
    look();
  }

  function fit() {
    const scale = Math.min(canvas.clientWidth / state.width, canvas.clientHeight / state.height, 1.2);
    eye.scale = Math.max(0.02, scale * 0.96);
    eye.x = (canvas.clientWidth - state.width * eye.scale) / 2;
    eye.y = (canvas.clientHeight - state.height * eye.scale) / 2;
    look();
  }

  // The top of the graph, as large as can be read; all of it where that is large enough.
  function home() {
    fit();
    if (eye.scale >= 0.7) return;
    eye.scale = Math.max(0.7, Math.min(1, (canvas.clientWidth / state.width) * 0.96));
    eye.x = (canvas.clientWidth - state.width * eye.scale) / 2;
    eye.y = 8;
    look();
  }

  function centre(item) {
    const unit = unitOf(item);
    eye.scale = Math.max(eye.scale, 0.7);
    eye.x = canvas.clientWidth / 2 - (unit.X + unit.w / 2) * eye.scale;
    eye.y = canvas.clientHeight / 2 - (unit.Y + Math.min(unit.h, 200) / 2) * eye.scale;
    look();
  }

  function toggle(group) {
    const [x, y] = [eye.x + group.X * eye.scale, eye.y + group.Y * eye.scale];
    const focused = stage.contains(document.activeElement);
    group.open = !group.open;
    draw();
    eye.x = x - group.X * eye.scale;
    eye.y = y - group.Y * eye.scale;
    look();
    if (focused) focus(group);
  }

  // To an item by keyboard, which is brought into sight if it is out of it.
  function focus(item) {
    state.elements.get(item).focus({ preventScroll: true });
  }

  function reveal(item) {
    const [all, is] = [canvas, state.elements.get(item)].map((element) => element.getBoundingClientRect());
    const inside = is.left >= all.left && is.right <= all.right && is.top >= all.top && is.bottom <= all.bottom;
    if (!inside || eye.scale < 0.3) centre(item);
  }

  function openTo(item) {
    const closed = groupsAbove(item).filter((group) => !group.open);
    for (const group of closed) group.open = true;
    if (closed.length) draw();
  }

  function pick(item) {
    state.picked = item;
    highlight();
    if (!item) panel.model(state.graph, state.found);
    else if (item.kids) panel.group(Object.assign(item, { class: state.graph.classes[item.path] || "" }));
    else panel.op(item, around(item));
  }

  function around(op) {
    const above = state.edges.filter(([, to]) => to === op).map(([from]) => from);
    const below = state.edges.filter(([from]) => from === op).map(([, to]) => to);
    return { above, below };
  }

  function show(item) {
    openTo(item);
    pick(item);
    centre(item);
  }

  function go(target, how) {
    if (how === "toggle") {
      toggle(target);
      pick(target);
    } else if (how === "finding") showFinding(target.number);
    else show(target);
  }

  // False where the finding is about no part of a graph on this page.
  function showFinding(number) {
    const at = data.graphs.findIndex((g) => g.marks.some((m) => m.finding === number));
    if (at < 0) return false;
    if (!state || state.index !== at) load(at);
    const item = state.places.get(number);
    if (item) show(item);
    else pick(null);
    return true;
  }

  function search(words) {
    const wanted = words.trim().toLowerCase();
    const fits = ({ node }) => `${node.layer} ${node.kind} ${node.class || ""}`.toLowerCase().includes(wanted);
    state.hits = new Set(wanted ? state.ops.filter(fits) : []);
    highlight();
    return [...state.hits];
  }

  function all(open) {
    for (const group of groupsOf(state.root)) if (group !== state.root) group.open = open;
    draw();
    home();
    pick(state.picked && unitOf(state.picked));
  }

  return { load, fit, zoom, all, pick, show, showFinding, search, toggle, focus, reveal, eye, look, canvas, current: () => state, items: () => drawn(state.root) };
}

// Notes on operations and on all groups around them; where each finding is shown.
function mark(state, findings) {
  const groups = groupsOf(state.root);
  state.found = [];
  state.places = new Map();
  for (const op of state.ops) op.aside = [];
  for (const { finding: number, nodes, related, groups: paths } of state.graph.marks) {
    const finding = Object.assign(findings[number], { number });
    const named = nodes.length ? [] : groups.filter((g) => g.path && !g.run && paths.includes(g.path));
    const about = [...nodes.map((n) => state.ops[n]), ...named];
    state.found.push(finding);
    finding.others = Math.max(0, about.length - 1);
    finding.layer = about.length ? (about[0].kids ? about[0].path : about[0].node.layer) : "";
    if (about.length) state.places.set(number, about[0]);
    const noted = new Set(about.flatMap((item) => [item, ...groupsAbove(item)]));
    for (const item of noted) item.notes.push(finding);
    for (const n of related) if (!noted.has(state.ops[n])) state.ops[n].aside.push(finding);
  }
}

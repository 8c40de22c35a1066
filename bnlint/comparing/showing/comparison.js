// Two graphs side by side: moved and scaled together, changes marked by colour and by sign.

const data = JSON.parse(document.getElementById("data").textContent);
const one = (id) => document.getElementById(id);
const eye = { x: 0, y: 0, scale: 1 };
const SIGNS = { "+": "added", "-": "removed", "~": "changed", ">": "moved" };

function newPane(side) {
  const canvas = one(side);
  const stage = svg("g", {});
  canvas.append(arrowHead(), stage);
  let state = null;

  function load(graph) {
    stage.replaceChildren();
    state = null;
    canvas.classList.toggle("empty", !graph);
    if (!graph) return;
    const { root, ops } = growTree(graph.nodes);
    ops.forEach((op, n) => (op.sign = graph.signs[n] || ""));
    const edges = graph.edges.map(([from, to]) => [ops[from], ops[to]]);
    state = { graph, root, ops, edges, picked: null, elements: new Map() };
    openSome(root, 48);
    for (const op of ops) if (op.sign) for (const group of groupsAbove(op)) group.open = true;
    draw();
  }

  function draw() {
    const classes = state.graph.classes;
    const { boxes, links, width, height } = arrange(state.root, state.edges, measurer(classes));
    Object.assign(state, { width, height, elements: new Map() });
    const lines = links.map((l) => svg("path", { class: `link${l.back ? " back" : ""}`, d: l.path, ...(l.arrow && { "marker-end": "url(#arrow)" }) }));
    const frames = boxes.map(drawBox);
    for (const item of drawn(state.root)) {
      state.elements.set(item, item.open ? drawLabel(item, classes) : signed(drawUnit(item, classes), item));
    }
    for (const [item, element] of state.elements) element.item = item;
    stage.replaceChildren(...lines, ...frames, ...state.elements.values());
    pick(state.picked);
  }

  function pick(item) {
    if (!state) return;
    state.picked = item;
    const unit = item && unitOf(item);
    for (const [each, element] of state.elements) element.classList.toggle("picked", each === unit);
  }

  function toggle(path, open) {
    if (!state) return;
    for (const group of groupsOf(state.root)) if (group.parent && group.path === path) group.open = open;
    draw();
  }

  function all(open) {
    if (!state) return;
    for (const group of groupsOf(state.root)) if (group !== state.root) group.open = open;
    draw();
  }

  function look() {
    stage.setAttribute("transform", `translate(${eye.x} ${eye.y}) scale(${eye.scale})`);
    stage.classList.toggle("far", eye.scale < 0.3);
  }

  const elementOf = (item) => state.elements.get(item);
  const items = () => (state ? drawn(state.root) : []);

  return { canvas, load, draw, pick, toggle, all, look, elementOf, items, current: () => state };
}

// The sign stands beside the colour, for readers who do not see it.
function signed(element, unit) {
  const signs = unit.kids ? signsIn(unit) : unit.sign ? [unit.sign] : [];
  if (!signs.length) return element;
  const text = unit.kids ? [...new Set(signs)].map((s) => `${s}${signs.filter((o) => o === s).length}`).join(" ") : signs[0];
  element.classList.add("sign", SIGNS[signs[0]]);
  element.setAttribute("aria-label", `${element.getAttribute("aria-label")}, ${[...new Set(signs)].map((sign) => SIGNS[sign]).join(" and ")}`);
  const width = widthOf(text, TITLE) + 12;
  const mark = svg("g", { class: "mark", transform: `translate(${unit.w - width + 8} -9)` });
  mark.append(svg("rect", { width, height: 18, rx: 9 }), words("count", 6, 13, text));
  element.append(mark);
  return element;
}

function signsIn(group) {
  return group.kids.flatMap((kid) => (kid.kids ? signsIn(kid) : kid.sign ? [kid.sign] : []));
}

const panes = [newPane("old"), newPane("new")];
let shown = 0;
let at = -1;

function load(index) {
  shown = index;
  at = -1;
  const { graphs, name } = data.comparisons[index];
  panes.forEach((pane, n) => pane.load(graphs[n]));
  one("model").value = String(index);
  document.querySelector(".stage").setAttribute("aria-label", name);
  fit();
}

function look() {
  panes.forEach((pane) => pane.look());
}

function fit() {
  const [{ canvas }] = panes;
  const found = panes.map((pane) => pane.current()).filter(Boolean);
  const width = Math.max(1, ...found.map((s) => s.width));
  const height = Math.max(1, ...found.map((s) => s.height));
  const whole = Math.min(canvas.clientWidth / width, canvas.clientHeight / height, 1.2) * 0.96;
  eye.scale = Math.max(0.02, whole >= 0.7 ? whole : Math.max(0.7, Math.min(1, (canvas.clientWidth / width) * 0.96)));
  eye.x = (canvas.clientWidth - width * eye.scale) / 2;
  eye.y = 12;
  look();
}

function zoom(factor, x = panes[0].canvas.clientWidth / 2, y = panes[0].canvas.clientHeight / 2) {
  const scale = Math.min(4, Math.max(0.02, eye.scale * factor));
  eye.x = x - ((x - eye.x) * scale) / eye.scale;
  eye.y = y - ((y - eye.y) * scale) / eye.scale;
  eye.scale = scale;
  look();
}

// The layer and its partner on the other side; both come into sight at the place of the first.
function pick(side, op) {
  const { pairs } = data.comparisons[shown];
  const own = panes[side].current();
  const pair = pairs.find((p) => own.ops[p[side]] === op);
  const other = panes[1 - side].current();
  panes[side].pick(op);
  panes[1 - side].pick(pair && other ? other.ops[pair[1 - side]] : null);
  one("about").textContent = describe(side, op, pair);
}

function describe(side, op, pair) {
  const { node, sign } = op;
  const words = [`${node.layer} (${node.class || node.kind})`, ...(node.out || []).slice(0, 1)];
  const other = pair && panes[1 - side].current() && panes[1 - side].current().ops[pair[1 - side]];
  if (other && other.node.layer !== node.layer) words.push(side ? `was ${other.node.layer}` : `is ${other.node.layer}`);
  if (sign) words.push(SIGNS[sign]);
  return words.join(" · ");
}

function next() {
  const changes = opsWhere((op, side) => op.sign && (side || op.sign === "-"));
  if (!changes.length) return;
  at = (at + 1) % changes.length;
  show(...changes[at]);
}

// Operations of both sides, each with the side it is on.
function opsWhere(fits) {
  return panes.flatMap((pane, side) => (pane.current() ? pane.current().ops.filter((op) => fits(op, side)).map((op) => [side, op]) : []));
}

function show(side, op) {
  const closed = groupsAbove(op).filter((group) => !group.open);
  for (const group of closed) group.open = true;
  if (closed.length) panes[side].draw();
  pick(side, op);
  centre(side, unitOf(op));
}

function centre(side, { X, Y, w, h }) {
  const { canvas } = panes[side];
  eye.scale = Math.max(eye.scale, 0.7);
  eye.x = canvas.clientWidth / 2 - (X + w / 2) * eye.scale;
  eye.y = canvas.clientHeight / 2 - (Y + Math.min(h, 200) / 2) * eye.scale;
  look();
}

function connectSearch() {
  let hits = [];
  one("search").addEventListener("input", ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    const fits = ({ node }) => `${node.layer} ${node.kind} ${node.class || ""}`.toLowerCase().includes(wanted);
    hits = wanted ? opsWhere(fits) : [];
    one("hits").textContent = wanted ? `${hits.length} found` : "";
  });
  one("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !hits.length) return;
    show(...hits[0]);
    hits.push(hits.shift());
  });
}

// What the keyboard does on a side.
function viewOf(pane, side) {
  const { items, elementOf } = pane;
  const focus = (item) => elementOf(item).focus({ preventScroll: true });
  const reveal = (item) => {
    const [all, is] = [pane.canvas, elementOf(item)].map((element) => element.getBoundingClientRect());
    const inside = is.left >= all.left && is.right <= all.right && is.top >= all.top && is.bottom <= all.bottom;
    if (!inside || eye.scale < 0.3) centre(side, item);
  };
  const toggle = (item) => {
    panes.forEach((each) => each.toggle(item.path, !item.open));
    focus(item);
  };
  return { items, focus, reveal, toggle, pick: (item) => choose(side, item) };
}

function choose(side, item) {
  if (!item.kids) return pick(side, item);
  panes.forEach((pane) => pane.pick(null));
  one("about").textContent = [item.path || item.label, plural(item.size, "operation")].join(" · ");
}

function connect(pane, side) {
  const { canvas } = pane;
  let drag = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag || !event.buttons) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    if (!drag.moved) canvas.setPointerCapture(event.pointerId);
    eye.x += dx;
    eye.y += dy;
    drag = { x: event.clientX, y: event.clientY, moved: true };
    look();
  });
  canvas.addEventListener("click", (event) => {
    if (drag && drag.moved) return;
    const element = event.target.closest(".unit, .label");
    const item = element && element.item;
    if (!item) return;
    if (item.kids) panes.forEach((each) => each.toggle(item.path, !item.open));
    else pick(side, item);
  });
  connectKeys(canvas, viewOf(pane, side), steer);
}

function steer(key) {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (moves[key]) {
    eye.x += moves[key][0];
    eye.y += moves[key][1];
    look();
  } else if (key === "+") zoom(1.3);
  else if (key === "-") zoom(1 / 1.3);
  else if (key === "0") fit();
  else if (key === "n") next();
  else return false;
  return true;
}

if (data.comparisons.length) {
  one("graphs").hidden = false;
  data.comparisons.forEach(({ name }, n) => {
    const option = document.createElement("option");
    option.value = String(n);
    option.textContent = name;
    one("model").append(option);
  });
  one("model").hidden = data.comparisons.length < 2;
  one("model").addEventListener("change", (event) => load(Number(event.target.value)));
  const click = (id, act) => one(id).addEventListener("click", act);
  click("nearer", () => zoom(1.3));
  click("farther", () => zoom(1 / 1.3));
  click("fit", fit);
  click("next", next);
  click("open", () => panes.forEach((pane) => pane.all(true)));
  click("close", () => panes.forEach((pane) => pane.all(false)));
  panes.forEach(connect);
  connectSearch();
  connectSearchKeys(() => one("search"));
  load(0);
}

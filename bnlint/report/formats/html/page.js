// The page: its chapters, the filter of the findings, and the tools of the graph.

const data = JSON.parse(document.getElementById("data").textContent);
const one = (id) => document.getElementById(id);
let view = null;

const TABS = [...document.querySelectorAll("section.tab")].map((tab) => tab.id);

function showTab(name) {
  for (const id of TABS) one(id).hidden = id !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.classList.toggle("wide", name === "graph");
  if (name === "graph" && !view && data.graphs.length) startGraph();
}

// `#graph`, `#graph/1/layer1.0.conv1`, `#finding-3`, `#rule-BN301`
function follow() {
  const hash = decodeURIComponent(location.hash.slice(1));
  const [name, index, layer] = hash.split("/");
  const target = hash && one(hash);
  const tab = TABS.includes(name) ? name : target && target.closest("section.tab") ? target.closest("section.tab").id : TABS[0];
  showTab(tab);
  if (target && target.tagName === "DETAILS") target.open = true;
  if (target && !TABS.includes(hash)) target.scrollIntoView({ block: "center" });
  else scrollTo(0, 0);
  if (tab === "graph" && view && data.graphs[index]) openAt(Number(index), layer);
}

function openAt(index, layer) {
  choose(index);
  const op = view.current().ops.find(({ node }) => node.layer === layer);
  if (op) view.show(op);
}

function choose(index) {
  if (view.current().index !== index) view.load(index);
  one("model").value = String(index);
}

function startGraph() {
  document.querySelector(".graph").hidden = false;
  view = newGraphView(data);
  data.graphs.forEach((graph, n) => one("model").append(html("option", { value: n }, `${graph.name} (${graph.file})`)));
  one("model").hidden = data.graphs.length < 2;
  view.load(0);
  const families = ["kernel", "norm", "activation", "pooling", "join", "opaque", "other"];
  const words = { kernel: "conv/linear", join: "add/concat", opaque: "not traced" };
  const key = (name) => html("span", { class: `key ${name}` }, words[name] ?? name);
  document.querySelector(".legend").append(...families.map(key), " Drag to move, wheel to scale, click for details, +/− on a group to open or close it. Keys: Tab and arrows go from node to node, Enter shows details, Space opens or closes a group, / searches, f goes to the next finding.");
  connectTools();
  connectCanvas();
}

function connectTools() {
  const click = (id, act) => one(id).addEventListener("click", act);
  click("nearer", () => view.zoom(1.3));
  click("farther", () => view.zoom(1 / 1.3));
  click("fit", () => view.fit());
  click("open", () => view.all(true));
  click("close", () => view.all(false));
  click("next", nextFinding);
  one("model").addEventListener("change", (event) => view.load(Number(event.target.value)));
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  let at = -1;
  let hits = [];
  one("search").addEventListener("input", (event) => {
    hits = view.search(event.target.value);
    at = -1;
    one("hits").textContent = event.target.value ? `${hits.length} found` : "";
  });
  one("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !hits.length) return;
    at = (at + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    view.show(hits[at]);
    one("hits").textContent = `${at + 1} of ${hits.length}`;
  });
}

function nextFinding() {
  const { places, picked } = view.current();
  const items = [...new Set(places.values())];
  if (items.length) view.show(items[(items.indexOf(picked) + 1) % items.length]);
}

function connectCanvas() {
  const { canvas, eye } = view;
  let drag = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
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
    view.look();
  });
  canvas.addEventListener("click", (event) => {
    if (drag && drag.moved) return;
    const element = event.target.closest(".unit, .label, .box");
    const item = element && element.item;
    if (item && event.target.closest(".knob")) view.toggle(item);
    view.pick(item || null);
  });
  canvas.addEventListener("dblclick", (event) => {
    const element = event.target.closest(".unit, .label");
    if (element && element.item.kids && !event.target.closest(".knob")) view.toggle(element.item);
  });
  connectKeys(canvas, view, steer);
}

function steer(key) {
  const { eye } = view;
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (moves[key]) {
    eye.x += moves[key][0];
    eye.y += moves[key][1];
    view.look();
  } else if (key === "+") view.zoom(1.3);
  else if (key === "-") view.zoom(1 / 1.3);
  else if (key === "0") view.fit();
  else if (key === "f") nextFinding();
  else return false;
  return true;
}

// The search of the chapter that is shown; that of the findings where it has none.
function searchInSight() {
  if (!one("graph").hidden && view) return one("search");
  if (document.querySelector(".filter").hidden) return null;
  if (one("findings").hidden) showTab("findings");
  return one("filter");
}

function connectFindings() {
  const articles = [...document.querySelectorAll("#findings article")];
  const form = document.querySelector(".filter");
  form.hidden = articles.length < 2;
  const filter = () => {
    const words = one("filter").value.trim().toLowerCase();
    let shown = 0;
    for (const article of articles) {
      const group = article.closest(".group");
      const text = `${article.textContent} ${group.querySelector("h3").textContent}`.toLowerCase();
      article.hidden = !form.elements[article.dataset.severity].checked || !text.includes(words);
      shown += article.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll("#findings .group")) {
      group.hidden = !group.querySelector("article:not([hidden])");
    }
    one("shown").textContent = shown < articles.length ? `${shown} of ${articles.length} shown` : "";
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  const marked = new Set(data.graphs.flatMap((graph) => graph.marks.map((m) => m.finding)));
  for (const button of document.querySelectorAll(".locate")) {
    const number = Number(button.dataset.finding);
    button.hidden = !marked.has(number);
    button.addEventListener("click", () => {
      location.hash = "#graph";
      showTab("graph");
      view.showFinding(number);
      one("model").value = String(view.current().index);
    });
  }
}

if (!data.graphs.length) one("left").textContent = "This report holds no graphs.";
else if (data.left) one("left").textContent = `${plural(data.left, "more model")} left out: the page would grow too big.`;
connectFindings();
connectSearchKeys(searchInSight);
document.body.classList.add("scripted");
addEventListener("hashchange", follow);
follow();

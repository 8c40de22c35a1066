// The drawing as SVG elements. Text is only ever set as text.

const MARKS = { error: "✖", warning: "▲", info: "●" };
const TALL = 38;
const WIDEST = 220;

function svg(name, attributes, ...kids) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  for (const kid of kids) element.append(kid);
  return element;
}

function plural(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

const pen = document.createElement("canvas").getContext("2d");

function widthOf(text, font) {
  pen.font = font;
  return pen.measureText(text).width;
}

const TITLE = "600 12px system-ui, sans-serif";
const SMALL = "11px system-ui, sans-serif";

// The text, its middle left out where it is wider than so many pixels.
function fitted(text, font, width) {
  let keep = text.length;
  let shown = text;
  while (widthOf(shown, font) > width && keep > 2) {
    keep -= 1;
    shown = `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
  }
  return shown;
}

function titleOf(item) {
  return fitted(nameOf(item), TITLE, WIDEST - 40);
}

function subtitleOf(item, classes) {
  if (item.kids) {
    const name = item.run ? "" : classes[item.path] || "";
    return fitted(`${name ? name + " · " : ""}${plural(item.size, "op")}`, SMALL, WIDEST - 40);
  }
  const { kind, out = [] } = item.node;
  return fitted([item.node.class || kind, ...out.slice(0, 1)].join(" "), SMALL, WIDEST - 24);
}

function measurer(classes) {
  return (item) => {
    if (!item.size_) {
      const text = Math.max(
        widthOf(titleOf(item), TITLE),
        widthOf(subtitleOf(item, classes), SMALL)
      );
      item.size_ = { w: Math.max(84, Math.ceil(text) + (item.kids ? 46 : 24)), h: TALL };
    }
    return item.size_;
  };
}

function drawUnit(unit, classes) {
  const g = svg("g", {
    ...reachable(unit, classes),
    class: `unit ${unit.kids ? "closed" : unit.node.family} ${worst(unit.notes) || ""}`,
    transform: `translate(${unit.X} ${unit.Y})`,
  });
  const hint = svg("title", {});
  hint.textContent = unit.kids ? unit.path || unit.label : unit.node.layer;
  g.append(hint);
  if (unit.kids) g.append(svg("rect", { class: "under", x: 4, y: 4, width: unit.w, height: unit.h, rx: 5 }));
  g.append(svg("rect", { class: "body", width: unit.w, height: unit.h, rx: 5 }));
  if (!unit.kids) g.append(svg("rect", { class: "stripe", x: 0.7, y: 4, width: 4, height: unit.h - 8, rx: 2 }));
  g.append(words("name", 12, 16, titleOf(unit)), words("kind", 12, 30, subtitleOf(unit, classes)));
  if (unit.kids) g.append(knob(unit, unit.w - 16, unit.h / 2));
  if (unit.notes.length) g.append(noteMark(unit, unit.w));
  return g;
}

// What makes an item one that the keyboard reaches and a screen reader tells.
function reachable(item, classes) {
  const path = item.kids ? item.path || item.label : item.node.layer;
  const kind = item.kids ? classes[item.path] : item.node.class || item.node.kind;
  const more = item.kids ? plural(item.size, "operation") : (item.node.out || []).join(", ");
  const found = item.notes.length ? plural(item.notes.length, "finding") : "";
  const open = item.kids ? { "aria-expanded": String(item.open) } : {};
  return { tabindex: 0, role: "button", "aria-label": [path, kind, more, found].filter(Boolean).join(", "), ...open };
}

function drawBox(group) {
  const g = svg("g", { class: "box", transform: `translate(${group.X} ${group.Y})` });
  g.append(svg("rect", { class: "frame", width: group.w, height: group.h, rx: 7 }));
  return g;
}

// Labels of open groups lie over the lines that enter them.
function drawLabel(group, classes) {
  const g = svg("g", { ...reachable(group, classes), class: "label", transform: `translate(${group.X} ${group.Y})` });
  const text = titleOf(group);
  const width = widthOf(text, TITLE) + 30;
  g.append(svg("rect", { class: "plate", x: 4, y: 3, width, height: 19, rx: 4 }));
  g.append(words("name", 24, 17, text), knob(group, 14, 12));
  if (group.notes.length) g.append(noteMark(group, group.w));
  return g;
}

function words(kind, x, y, text) {
  const element = svg("text", { class: kind, x, y });
  element.textContent = text;
  return element;
}

function knob(group, x, y) {
  const sign = group.open ? "M-3.5 0H3.5" : "M-3.5 0H3.5M0 -3.5V3.5";
  return svg(
    "g",
    { class: "knob", transform: `translate(${x} ${y})` },
    svg("circle", { r: 7.5 }),
    svg("path", { d: sign })
  );
}

// The sign of the heaviest finding, with how many there are.
function noteMark(item, x) {
  const severity = worst(item.notes);
  const text = `${MARKS[severity]} ${item.notes.length}`;
  const width = widthOf(text, TITLE) + 12;
  const left = x - width + 8;
  return svg(
    "g",
    { class: `note ${severity}`, transform: `translate(${left} -9)` },
    svg("rect", { width, height: 18, rx: 9 }),
    words("count", 6, 13, text)
  );
}

// The items that are drawn, in the order of execution: an open group before what it holds.
function drawn(group) {
  return group.kids.flatMap((kid) => (kid.kids && kid.open ? [kid, ...drawn(kid)] : [kid]));
}

function worst(notes) {
  return ["error", "warning", "info"].find((s) => notes.some((note) => note.severity === s));
}

function arrowHead() {
  const shape = { id: "arrow", viewBox: "0 0 8 8", refX: 4, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" };
  return svg("defs", {}, svg("marker", shape, svg("path", { d: "M0 1L7 4L0 7z" })));
}

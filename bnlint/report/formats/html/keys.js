// The keyboard: `/` searches, Escape clears, Tab and arrows lead from node to node.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The item that lies next in the direction of an arrow; nothing at the border.
function neighbour(items, from, key) {
  const [x, y] = ARROWS[key];
  const [fromX, fromY] = middleOf(from);
  let [best, least] = [null, Infinity];
  for (const item of items) {
    const [dx, dy] = middleOf(item).map((at, n) => at - (n ? fromY : fromX));
    const ahead = dx * x + dy * y;
    const far = ahead + 2 * Math.abs(dx * y + dy * x);
    if (ahead > 1 && far < least) [best, least] = [item, far];
  }
  return best;
}

// An open group is where its label is.
function middleOf(item) {
  return item.kids && item.open ? [item.X + item.w / 2, item.Y + 12] : [item.X + item.w / 2, item.Y + item.h / 2];
}

// `view` draws the items: it picks, toggles, focuses and reveals one of them.
function connectKeys(canvas, view, steer) {
  const itemOf = ({ target }) => (target.closest(".unit, .label") || {}).item;
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const item = itemOf(event);
    const done = item ? keyOnItem(event.key, item, view, canvas) : event.key === "Enter" && enter(view);
    if (done || steer(event.key)) event.preventDefault();
  });
  canvas.addEventListener("focusin", (event) => {
    if (itemOf(event) && event.target.matches(":focus-visible")) view.reveal(itemOf(event));
  });
}

function enter(view) {
  const [first] = view.items();
  if (first) view.focus(first);
  return Boolean(first);
}

function keyOnItem(key, item, view, canvas) {
  if (ARROWS[key]) {
    const next = neighbour(view.items(), item, key);
    if (next) view.focus(next);
  } else if (key === "Enter") view.pick(item);
  else if (key === " " && item.kids) view.toggle(item);
  else if (key === " ") view.pick(item);
  else if (key === "Escape") canvas.focus();
  else return false;
  return true;
}

// `field` returns the search that is in sight, if there is one.
function connectSearchKeys(field) {
  document.addEventListener("keydown", (event) => {
    const search = field();
    if (!search || event.ctrlKey || event.metaKey || event.altKey) return;
    const writing = event.target.matches("input[type=search], textarea, select");
    if (event.key === "/" && !writing) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && search.value) {
      search.value = "";
      search.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
}

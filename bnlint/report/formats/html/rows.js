// The rows of one group: which block is in which row, in which order, and where.

// Rows by the longest path from the top; a lane in every row that an edge passes.
function rank(plan, group) {
  const { ahead, backs } = sift(group);
  const kids = group.kids;
  const row = new Map();
  for (const item of group.ins.values()) row.set(item, 0);
  const into = by(ahead, (s) => s.to);
  const outof = by(ahead, (s) => s.from);
  for (const kid of kids) {
    const before = (into.get(kid) || []).map((s) => row.get(s.from) + 1);
    row.set(kid, Math.max(group.ins.size ? 1 : 0, ...before));
  }
  for (const kid of [...kids].reverse()) {
    const after = (outof.get(kid) || []).map((s) => row.get(s.to)).filter((r) => r !== undefined);
    if (!into.has(kid) && after.length) row.set(kid, Math.max(row.get(kid), Math.min(...after) - 1));
  }
  const last = kids.reduce((most, kid) => Math.max(most, row.get(kid)), 0);
  for (const item of group.outs.values()) row.set(item, last + 1);
  const rows = Array.from({ length: last + (group.outs.size ? 2 : 1) }, () => []);
  for (const [item, r] of row) put(rows, r, item);
  return { rows, links: lanes(plan, rows, ahead), backs };
}

// What runs against the order of execution (a module that is called again) takes no part.
function sift(group) {
  const order = new Map(group.kids.map((kid, index) => [kid, index]));
  for (const item of group.ins.values()) order.set(item, -1);
  for (const item of group.outs.values()) order.set(item, Infinity);
  const all = [...group.segments.values()];
  const runsAhead = (s) => order.get(s.from) < order.get(s.to);
  return { ahead: all.filter(runsAhead), backs: all.filter((s) => !runsAhead(s)) };
}

function by(list, key) {
  const groups = new Map();
  for (const item of list) {
    if (!groups.has(key(item))) groups.set(key(item), []);
    groups.get(key(item)).push(item);
  }
  return groups;
}

function put(rows, r, item) {
  Object.assign(item, { row: r, above: [], below: [] });
  rows[r].push(item);
}

// Links between neighbouring rows; edges from one source share their lanes until they part.
function lanes(plan, rows, segments) {
  const links = new Map();
  const stops = new Map();
  for (const s of segments) {
    let from = s.from;
    for (let r = s.from.row + 1; r < s.to.row && plan.lanes < ALL_LANES; r++) {
      const key = `${s.from.id}>${s.source.id}>${r}`;
      if (!stops.has(key)) {
        stops.set(key, { id: `l${plan.lanes++}`, lane: true, w: LANE, h: 0 });
        put(rows, r, stops.get(key));
      }
      link(links, from, stops.get(key), s);
      from = stops.get(key);
    }
    link(links, from, s.to, s);
  }
  return [...links.values()];
}

function link(links, from, to, segment) {
  const key = `${from.id}>${to.id}>${segment.source.id}`;
  if (!links.has(key)) links.set(key, { from, to, source: segment.source, ends: new Set() });
  for (const end of segment.ends) links.get(key).ends.add(end);
}

// Fewer crossings: every item goes where its neighbours are, down and up again.
function sortRows(rows) {
  const number = (row) => row.forEach((item, index) => (item.place = index));
  const sort = (row, side, end) => {
    for (const item of row) {
      const places = item[side].map((l) => l[end].place);
      item.wish = places.length ? places.reduce((a, b) => a + b) / places.length : item.place;
    }
    row.sort((a, b) => a.wish - b.wish);
    number(row);
  };
  rows.forEach(number);
  for (let pass = 0; pass < 4; pass++) {
    rows.slice(1).forEach((row) => sort(row, "above", "from"));
    [...rows].reverse().slice(1).forEach((row) => sort(row, "below", "to"));
  }
}

// Straight lines: every item moves to where its links want it, as far as its neighbours let it.
function spread(rows) {
  for (const row of rows) {
    let x = 0;
    for (const item of row) {
      item.x = x + item.w / 2;
      x += item.w + GAP;
    }
  }
  for (let pass = 0; pass < 8; pass++) {
    rows.forEach((row) => nudge(row, ["above"]));
    [...rows].reverse().forEach((row) => nudge(row, ["below"]));
  }
  rows.forEach((row) => nudge(row, ["above"]));
}

function nudge(row, sides) {
  let offset = 0;
  const blocks = [];
  row.forEach((item, index) => {
    if (index) offset += (row[index - 1].w + item.w) / 2 + GAP;
    item.shift = offset;
    const { at, weight } = pull(item, sides);
    blocks.push({ sum: (at - offset) * weight, weight, count: 1 });
    // Blocks that would overlap become one, which is at their mean.
    while (blocks.length > 1 && mean(blocks[blocks.length - 2]) > mean(blocks[blocks.length - 1])) {
      const { sum, weight: more, count } = blocks.pop();
      const left = blocks[blocks.length - 1];
      Object.assign(left, { sum: left.sum + sum, weight: left.weight + more, count: left.count + count });
    }
  });
  let index = 0;
  for (const block of blocks) {
    for (let n = 0; n < block.count; n++, index++) row[index].x = mean(block) + row[index].shift;
  }
}

const mean = (block) => block.sum / block.weight;

function pull(item, sides) {
  let sum = 0;
  let weight = 0;
  for (const side of sides) {
    for (const l of item[side]) {
      const [near, far] = side === "above" ? ["to", "from"] : ["from", "to"];
      const heavy = item.lane && l[far].lane ? 6 : 1;
      sum += heavy * (l[far].x + lean(l, far) - lean(l, near));
      weight += heavy;
    }
  }
  return weight ? { at: sum / weight, weight } : { at: item.x, weight: 0.1 };
}

// Groups that are as wide as high stand below each other, whatever the place of their ports.
function lean(l, end) {
  const { gutters = [], open } = l[end];
  return open && gutters.length ? 0 : anchor(l, end);
}

// Where a link meets an item, counted from its middle: at a port of an open group.
function anchor(l, end) {
  const item = l[end];
  if (!item.kids || !item.open) return 0;
  const found = (end === "from" ? item.outs : item.ins).get(l.source);
  return found ? found.x - item.w / 2 : 0;
}

// A drawing in layers: the data flows down. Every open group is laid out by itself and then stands
// as one big item in the group around it, so that boxes never overlap. Edges that leave a group end
// at a port on its border; edges that pass rows go through lanes in them.

const GAP = 22;
const ROW = 30;
const LANE = 10;
const PAD = 14;
const HEAD = 24;
const TOWER = 2200;
const TURN = 26;
const ALL_LANES = 20000;

function arrange(root, edges, measure) {
  const plan = { measure, lanes: 0, ports: 0 };
  for (const group of groupsOf(root)) {
    Object.assign(group, { segments: new Map(), ins: new Map(), outs: new Map() });
  }
  for (const [from, to] of edges) {
    const source = unitOf(from);
    const target = unitOf(to);
    if (source !== target) route(plan, source, target);
  }
  place(plan, root);
  const drawing = { units: [], boxes: [], links: [], width: root.w, height: root.h };
  settle(root, 0, 0, drawing);
  return drawing;
}

// Cuts the way between two units at the borders of the groups it crosses.
function route(plan, source, target) {
  const up = groupsAbove(source);
  const down = groupsAbove(target);
  let common = null;
  while (up.length && up[up.length - 1] === down[down.length - 1]) {
    common = up.pop();
    down.pop();
  }
  let from = source;
  for (const group of up) {
    addSegment(group, from, port(plan, group.outs, source), source, target);
    from = group;
  }
  let to = target;
  for (const group of down) {
    addSegment(group, port(plan, group.ins, source), to, source, target);
    to = group;
  }
  addSegment(common, from, to, source, target);
}

function port(plan, ports, source) {
  if (!ports.has(source)) ports.set(source, { id: `p${plan.ports++}`, port: true, w: LANE, h: 0 });
  return ports.get(source);
}

function addSegment(group, from, to, source, target) {
  const key = `${from.id}>${to.id}>${source.id}`;
  if (!group.segments.has(key)) group.segments.set(key, { from, to, source, ends: new Set() });
  group.segments.get(key).ends.add(target);
}

function place(plan, group) {
  for (const kid of group.kids) {
    if (kid.kids && kid.open) place(plan, kid);
    else Object.assign(kid, plan.measure(kid));
  }
  const { rows, links, backs } = rank(plan, group);
  for (const link of links) {
    link.to.above.push(link);
    link.from.below.push(link);
  }
  sortRows(rows);
  spread(rows);
  stack(group, rows, group.parent ? plan.measure(group).w : 0);
  group.links = links;
  group.backs = backs;
  group.rows = rows;
}

// Rows become columns where they would make a tower: groups stay as wide as high, and a thousand
// layers can be seen at once.
function stack(group, rows, least) {
  const body = rows.slice(group.ins.size ? 1 : 0, group.outs.size ? -1 : undefined);
  for (const row of body) row.height = heightOf(row);
  const columns = wrapped(body);
  const top = HEAD + (group.ins.size ? ROW - 18 : 6) + (columns.length > 1 ? TURN : 0);
  group.gutters = [];
  let left = PAD;
  let deepest = 0;
  columns.forEach((column, index) => {
    const { width, bottom } = stand(column, index, left, top);
    deepest = Math.max(deepest, bottom);
    left += width;
    if (index === columns.length - 1) return;
    const step = Math.min(7, 100 / turns(column));
    group.gutters.push({ x: left + PAD, used: 0, step });
    left += turns(column) * step + 2 * PAD + LANE;
  });
  group.w = Math.max(left + PAD, least);
  group.h = deepest + (columns.length > 1 ? TURN : 0) + (group.outs.size ? ROW / 2 : PAD);
  const slack = (group.w - left - PAD) / 2;
  for (const item of body.flat()) item.x += slack;
  for (const gutter of group.gutters) gutter.x += slack;
  pin([...group.ins.values()], columns[0], 0, 0, slack);
  pin([...group.outs.values()], columns[columns.length - 1], columns.length - 1, group.h, slack);
}

// The rows of each column: so many columns as make the group about as wide as high, each filled up
// to the height of the tallest.
function wrapped(rows) {
  const total = rows.reduce((sum, row) => sum + row.height, 0);
  const { low, high } = extent(rows);
  const wanted = total > TOWER ? Math.round(Math.sqrt(total / (1.2 * (high - low + 60)))) : 1;
  if (wanted < 2) return [rows];
  const filled = Array(wanted).fill(0);
  let above = 0;
  for (const row of rows) {
    const column = Math.floor(((above + row.height / 2) / total) * wanted);
    filled[column] += row.height;
    above += row.height;
  }
  return fill(rows, Math.max(...filled));
}

function fill(rows, limit) {
  const columns = [[]];
  let used = 0;
  for (const row of rows) {
    if (used && used + row.height > limit + 1) {
      columns.push([]);
      used = 0;
    }
    columns[columns.length - 1].push(row);
    used += row.height;
  }
  return columns;
}

function tallest(row) {
  return row.reduce((most, item) => Math.max(most, item.h), 0);
}

// A row with the space below it, in which its links find their way.
function heightOf(row) {
  const steep = row.reduce((most, item) => Math.max(most, ...item.below.map(slant)), 0);
  return tallest(row) + ROW + Math.min(50, steep * 0.06);
}

function extent(rows) {
  const items = rows.flat();
  const low = items.reduce((least, item) => Math.min(least, item.x - item.w / 2), Infinity);
  const high = items.reduce((most, item) => Math.max(most, item.x + item.w / 2), -Infinity);
  return { low, high };
}

function stand(column, index, left, top) {
  const { low, high } = extent(column);
  column.moved = left - low;
  let y = top;
  let bottom = top;
  for (const row of column) {
    const h = tallest(row);
    for (const item of row) {
      item.x += column.moved;
      Object.assign(item, { column: index, top: y, bottom: y + h, y: y + (h - item.h) / 2 });
    }
    bottom = y + h;
    y += row.height;
  }
  return { width: high - low, bottom };
}

function turns(column) {
  return column[column.length - 1].reduce((sum, item) => sum + item.below.length, 0);
}

// Ports move along with the column they are linked to, up or down to the border.
function pin(ports, column, index, y, slack) {
  for (const item of ports) {
    item.x += column.moved + slack;
    Object.assign(item, { column: index, top: y, bottom: y, y });
  }
}

const slant = (l) => Math.abs(l.from.x + anchor(l, "from") - l.to.x - anchor(l, "to"));

// From places within groups to places in the drawing.
function settle(group, x, y, drawing) {
  Object.assign(group, { X: x, Y: y });
  if (group.parent) drawing.boxes.push(group);
  for (const row of group.rows) {
    for (const item of row) {
      const [left, top] = [x + item.x - item.w / 2, y + item.y];
      if (item.kids && item.open) settle(item, left, top, drawing);
      else if (item.kids || item.op) drawing.units.push(Object.assign(item, { X: left, Y: top }));
    }
  }
  for (const l of group.links) drawing.links.push({ ...l, path: way(group, l, x, y), arrow: !!arrives(l.to) });
  for (const l of group.backs) drawing.links.push({ ...l, path: bow(l, x, y), arrow: true, back: true });
}

const arrives = (item) => item.op || (item.kids && !item.open);

function way(group, l, x, y) {
  return l.from.column === l.to.column ? curve(l, x, y) : turn(group, l, x, y);
}

// From the foot of one column to the head of the next, through the gutter between them.
function turn(group, l, x, y) {
  const gutter = group.gutters[l.from.column];
  const g = x + gutter.x + gutter.step * gutter.used++;
  const [a, b] = [x + l.from.x + anchor(l, "from"), x + l.to.x + anchor(l, "to")];
  const end = y + l.to.y - (arrives(l.to) ? 4 : 0);
  const [p, q] = [y + l.from.bottom, Math.min(y + l.to.top, end)];
  const down = end > q ? `V${end}` : "";
  const start = `M${a} ${y + l.from.y + l.from.h}V${p}`;
  return `${start}C${a} ${p + TURN} ${g} ${p + TURN} ${g} ${p}V${q}C${g} ${q - TURN} ${b} ${q - TURN} ${b} ${q}${down}`;
}

function curve(l, x, y) {
  const [a, b] = [x + l.from.x + anchor(l, "from"), x + l.to.x + anchor(l, "to")];
  const end = y + l.to.y - (arrives(l.to) ? 4 : 0);
  const [p, q] = [y + l.from.bottom, Math.min(y + l.to.top, end)];
  const bend = (p + q) / 2;
  const down = end > q ? `V${end}` : "";
  return `M${a} ${y + l.from.y + l.from.h}V${p}C${a} ${bend} ${b} ${bend} ${b} ${q}${down}`;
}

function bow(l, x, y) {
  const [a, b] = [x + l.from.x, x + l.to.x];
  const [p, q] = [y + l.from.y + l.from.h, y + l.to.y - 4];
  const far = Math.max(a + l.from.w / 2, b + l.to.w / 2) + 40;
  return `M${a} ${p}C${a} ${p + 50} ${far} ${p + 40} ${far} ${(p + q) / 2}S${b} ${q - 50} ${b} ${q}`;
}

// A model's operations as a tree of groups. A group is an unbroken run of operations under one
// module path, so that no data can leave a group and come back to it; one with too many children is
// cut further. An operation is {op, node}, a group {kids, path, label, open}; both know their parent.
// Children stand in the order of execution.

const CROWD = 60;

function growTree(nodes) {
  const root = newGroup("");
  const ops = nodes.map((node, index) => ({ id: index, op: true, node, notes: [] }));
  let here = root;
  for (const op of ops) {
    const path = op.node.group || "";
    while (here.parent && !`${path}.`.startsWith(`${here.path}.`)) here = here.parent;
    while (here.path !== path) here = stepInto(here, path);
    adopt(here, op);
  }
  tidy(root);
  root.open = true;
  let id = ops.length;
  for (const group of groupsOf(root)) group.id = id++;
  number(root);
  return { root, ops };
}

function newGroup(path) {
  return { path, label: path.slice(path.lastIndexOf(".") + 1), kids: [], open: false, notes: [] };
}

function stepInto(group, path) {
  const start = group.path ? group.path.length + 1 : 0;
  const end = path.indexOf(".", start);
  const kid = newGroup(end < 0 ? path : path.slice(0, end));
  adopt(group, kid);
  return kid;
}

function adopt(parent, kid) {
  kid.parent = parent;
  parent.kids.push(kid);
}

// A module that is called again has a group for each call.
function number(root) {
  const seen = new Map();
  for (const group of groupsOf(root).filter((g) => !g.run)) {
    const n = (seen.get(group.path) || 0) + 1;
    seen.set(group.path, n);
    if (n > 1) group.label += ` #${n}`;
  }
}

// Groups of one are no groups; crowds become runs.
function tidy(group) {
  for (const kid of group.kids) if (kid.kids) tidy(kid);
  const kids = group.kids.map((kid) => (kid.kids && kid.kids.length === 1 ? only(kid) : kid));
  group.kids = [];
  for (const kid of kids) adopt(group, kid);
  if (kids.length > CROWD) cut(group);
  group.size = group.kids.reduce((sum, kid) => sum + (kid.kids ? kid.size : 1), 0);
}

function only(group) {
  const kid = group.kids[0];
  if (kid.kids) kid.label = `${group.label}.${kid.label}`;
  return kid;
}

function cut(group) {
  const length = Math.ceil(Math.sqrt(group.kids.length));
  const kids = group.kids;
  group.kids = [];
  for (let start = 0; start < kids.length; start += length) {
    const run = { path: group.path, run: true, kids: [], open: false, notes: [] };
    for (const kid of kids.slice(start, start + length)) adopt(run, kid);
    run.label = `${nameOf(run.kids[0])} … ${nameOf(run.kids[run.kids.length - 1])}`;
    run.size = run.kids.reduce((sum, kid) => sum + (kid.kids ? kid.size : 1), 0);
    adopt(group, run);
  }
}

// What an item is called within the group that holds it.
function nameOf(item) {
  if (item.kids) return item.label;
  const { layer, call } = item.node;
  const path = item.parent ? item.parent.path : "";
  const name = path && layer.startsWith(`${path}.`) ? layer.slice(path.length + 1) : layer;
  return call ? `${name} #${call}` : name;
}

function groupsOf(group) {
  return [group, ...group.kids.filter((kid) => kid.kids).flatMap(groupsOf)];
}

function opsOf(item) {
  return item.kids ? item.kids.flatMap(opsOf) : [item];
}

function groupsAbove(item) {
  const above = [];
  for (let group = item.parent; group; group = group.parent) above.push(group);
  return above;
}

// What represents an item in the drawing: the outermost closed group around it, or itself.
function unitOf(item) {
  let unit = item;
  for (const group of groupsAbove(item)) if (!group.open) unit = group;
  return unit;
}

// Opens level after level, as long as no more than so many units are seen.
function openSome(root, budget) {
  let seen = root.kids.length;
  let level = root.kids.filter((kid) => kid.kids);
  while (level.length) {
    seen += level.reduce((sum, group) => sum + group.kids.length - 1, 0);
    if (seen > budget) return;
    for (const group of level) group.open = true;
    level = level.flatMap((group) => group.kids.filter((kid) => kid.kids));
  }
}

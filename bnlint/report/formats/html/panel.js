// The panel beside the graph: what is known of an operation, a group or the model.

function html(name, attributes, ...kids) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  for (const kid of kids) if (kid) element.append(kid);
  return element;
}

// Text with what it has in backticks as code.
function prose(text) {
  return text.split(/(`[^`\n]+`)/).map((part) => (/^`[^`]+`$/.test(part) ? html("code", {}, part.slice(1, -1)) : part));
}

const isWork = ({ family }) => family !== "input" && family !== "output";

// `go` takes an item or a finding to show; it is what links in the panel call.
function newPanel(host, data, go) {
  const place = (at) => {
    if (!at) return "";
    const [name, url] = data.files[at[0]];
    const text = `${name}:${at[1]}:${at[2]}`;
    // Long paths break after a slash.
    const parts = text.split("/").flatMap((part, n) => (n ? ["/", html("wbr", {}), part] : [part]));
    return url ? html("a", { class: "place", href: url.replace("{line}", at[1]).replace("{column}", at[2]) }, ...parts) : html("code", {}, ...parts);
  };
  const table = (pairs) => {
    const rows = pairs.filter(([, value]) => value && value !== "?");
    return html("dl", {}, ...rows.flatMap(([k, v]) => [html("dt", {}, k), html("dd", {}, v)]));
  };
  const jump = (item) => html("button", { class: "jump", onclick: () => go(item) }, item.kids ? item.path || item.label : item.node.layer);

  const note = (finding) =>
    html(
      "article",
      { class: `finding ${finding.severity}` },
      html(
        "p",
        { class: "head" },
        html("span", { class: `badge ${finding.severity}` }, `${MARKS[finding.severity]} ${finding.severity}`),
        " ",
        html("a", { href: `#finding-${finding.number}` }, `${finding.rule} ${finding.name}`)
      ),
      html("p", { class: "message" }, ...prose(finding.message)),
      finding.evidence && html("p", {}, "evidence: ", ...prose(finding.evidence)),
      finding.fix && html("p", {}, "fix: ", ...prose(finding.fix)),
      place(finding.at)
    );

  const jumps = (title, items) =>
    items.length ? html("p", { class: "jumps" }, html("b", {}, title), " ", ...items.slice(0, 40).map(jump)) : "";

  const showOp = (op, around) => {
    const { node } = op;
    const facts = node.facts === undefined ? [] : Object.entries(data.facts[node.facts]);
    return [
      html("h3", {}, node.layer),
      table([
        ["kind", node.kind],
        ["class", node.class],
        ["in", (node.in || []).join(", ")],
        ["out", (node.out || []).join(", ")],
        ["built at", place(node.built)],
        ["called at", place(node.called)],
        ["error", node.error],
      ]),
      ...op.notes.map(note),
      op.aside.length ? html("p", { class: "aside" }, "takes part in:") : "",
      ...op.aside.map(note),
      jumps("reads", around.above),
      jumps("read by", around.below),
      facts.length ? html("details", { open: "" }, html("summary", {}, plural(facts.length, "fact")), table(facts)) : "",
    ];
  };

  const showGroup = (group) => [
    html("h3", {}, group.path ? (group.run ? `${group.path}: ${group.label}` : group.path) : group.label),
    table([
      ["class", group.class],
      ["operations", String(group.size)],
    ]),
    html("button", { onclick: () => go(group, "toggle") }, group.open ? "close group" : "open group"),
    ...group.notes.map(note),
    jumps("holds", group.kids),
  ];

  const showModel = (graph, found) => [
    html("h3", {}, graph.name),
    table([...Object.entries(graph.about), ["operations", String(graph.nodes.filter(isWork).length)], ["defined at", place(graph.at)]]),
    found.length ? html("p", {}, html("b", {}, plural(found.length, "finding"))) : html("p", { class: "good" }, "✔ no findings"),
    ...found.map((finding) =>
      html(
        "button",
        { class: `jump finding ${finding.severity}`, onclick: () => go(finding, "finding") },
        html("span", { class: `badge ${finding.severity}` }, `${MARKS[finding.severity]} ${finding.rule}`),
        ` ${finding.layer || finding.message}${finding.others ? ` and ${finding.others} more` : ""}`
      )
    ),
  ];

  return {
    op: (op, around) => host.replaceChildren(...showOp(op, around).filter(Boolean)),
    group: (group) => host.replaceChildren(...showGroup(group).filter(Boolean)),
    model: (graph, found) => host.replaceChildren(...showModel(graph, found).filter(Boolean)),
  };
}

// The drawing of a network: layers in columns by depth, branches below one another, rows wrapped at the edge of the
// page.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  // The position of each layer: its depth is one more than that of its deepest input, its branch that of the input it
  // continues.
  const places = (nodes) => {
    const [depth, branch, taken] = [[], [], new Set()];
    nodes.forEach((node, index) => {
      const inputs = node.dataset.inputs === "" ? [] : node.dataset.inputs.split(" ").map(Number);
      depth[index] = inputs.length ? Math.max(...inputs.map((input) => depth[input])) + 1 : 0;
      const from = inputs.length > 1 ? Math.min(...inputs.map((input) => branch[input])) : (branch[inputs[0]] ?? 0);
      let lane = from;
      while (taken.has(`${depth[index]} ${lane}`)) lane += 1;
      taken.add(`${depth[index]} ${lane}`);
      branch[index] = lane;
    });
    return { depth, branch };
  };
  const draw = (net, width) => {
    const holder = net.querySelector(".nodes");
    const nodes = [...holder.children];
    const small = holder.classList.contains("small");
    const [wide, high] = small ? [100, 112] : [124, 142];
    const arch = 22;
    holder.style.setProperty("--node", `${wide - 8}px`);
    const { depth, branch } = places(nodes);
    const columns = Math.max(2, Math.floor(width / wide));
    const rows = Math.floor(Math.max(...depth) / columns) + 1;
    const lanes = Array(rows).fill(1);
    depth.forEach((at, index) => (lanes[Math.floor(at / columns)] = Math.max(lanes[Math.floor(at / columns)], branch[index] + 1)));
    const tops = [];
    let top = 0;
    for (const count of lanes) {
      tops.push(top + arch);
      top += arch + count * high;
    }
    const row = (index) => Math.floor(depth[index] / columns);
    const left = (index) => (depth[index] % columns) * wide;
    const up = (index) => tops[row(index)] + branch[index] * high;
    nodes.forEach((node, index) => {
      node.style.left = `${left(index)}px`;
      node.style.top = `${up(index)}px`;
    });
    holder.classList.add("placed");
    holder.style.height = `${top}px`;
    const svg = net.querySelector(".edges");
    const middle = small ? 34 : 48;
    const end = Math.min(columns, Math.max(...depth) + 1) * wide;
    const paths = [];
    nodes.forEach((node, to) => {
      const inputs = node.dataset.inputs === "" ? [] : node.dataset.inputs.split(" ").map(Number);
      for (const from of inputs) {
        const [x1, y1, x2, y2] = [left(from) + wide - 12, up(from) + middle, left(to) + 4, up(to) + middle];
        const isFar = depth[to] - depth[from] > 1;
        const over = (y) => y - middle - 6;
        if (row(from) === row(to) && !isFar) paths.push([`M${x1} ${y1}C${x1 + 12} ${y1} ${x2 - 12} ${y2} ${x2} ${y2}`, ""]);
        else if (row(from) === row(to)) {
          const [a, b] = [left(from) + wide / 2, left(to) + wide / 2];
          const lift = tops[row(to)] - 10;
          const under = branch[from] > 0 ? y1 : up(from) + 4;
          paths.push([`M${a} ${under}C${a} ${lift} ${a + 20} ${lift} ${(a + b) / 2} ${lift}S${b} ${lift} ${b} ${up(to) + 4}`, "far"]);
        } else {
          // From the end of one line to the beginning of another.
          const [out, into] = isFar ? [over(y1), over(y2)] : [y1, y2];
          const start = isFar ? `M${left(from) + wide / 2} ${up(from) + 4}V${out}` : `M${x1} ${y1}`;
          paths.push([`${start}H${end - 2}`, isFar ? "far" : ""]);
          paths.push([isFar ? `M0 ${into}H${left(to) + wide / 2}V${up(to) + 4}` : `M0 ${y2}H${x2}`, isFar ? "far" : ""]);
        }
      }
    });
    svg.replaceChildren(
      ...paths.map(([d, kind]) => {
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("d", d);
        path.setAttribute("class", kind);
        return path;
      }),
    );
  };
  const all = () => {
    for (const net of document.querySelectorAll(".net")) if (net.clientWidth) draw(net, net.clientWidth);
  };
  all();
  new ResizeObserver(all).observe(document.documentElement);
  for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", all);
  // A sheet of paper is narrower than most screens.
  addEventListener("beforeprint", () => document.querySelectorAll(".net").forEach((net) => draw(net, 620)));
  addEventListener("afterprint", all);
})();

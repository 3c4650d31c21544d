// Returns what is wrong with the displayed page, as a list of sentences. browser.rs calls it at each width, light and
// dark.
window.audit = (() => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1, 1];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  // A colour as red, green, blue and opacity, 0 to 255.
  const colours = new Map();
  const colour = (css) => {
    if (!colours.has(css)) colours.set(css, painted(css));
    return [...colours.get(css)];
  };
  const painted = (css) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = "#000";
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((c) => top[c] * top[3] + below[c] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const known = new Map();
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    if (known.has(element)) return known.get(element);
    const own = colour(getComputedStyle(element).backgroundColor);
    const found = own[3] > 0.99 ? own.slice(0, 3) : over(own, behind(element.parentElement));
    known.set(element, found);
    return found;
  };
  // What clips an element: itself and its ancestors, as far as they hide overflow.
  const cutting = new Map();
  const cutters = (element) => {
    if (!element || element === document.body) return [];
    if (cutting.has(element)) return cutting.get(element);
    const { overflowX: x, overflowY: y } = getComputedStyle(element);
    const above = cutters(element.parentElement);
    const found = x === "visible" && y === "visible" ? above : [...above, { element, x, y, box: element.getBoundingClientRect() }];
    cutting.set(element, found);
    return found;
  };
  const veils = new Map();
  const opacity = (element) => {
    if (!element) return 1;
    if (!veils.has(element)) veils.set(element, Number(getComputedStyle(element).opacity) * opacity(element.parentElement));
    return veils.get(element);
  };
  const name = (element) => `${element.tagName.toLowerCase()}.${element.className?.baseVal ?? element.className}`;
  const say = (text) => JSON.stringify(text.trim().slice(0, 40));

  return () => {
    [known, cutting, veils].forEach((kept) => kept.clear());
    const faults = new Set();
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) {
      const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .matrix-window"));
      faults.add(`the page is ${root.scrollWidth} wide: ${wide.slice(0, 4).map(name).join(", ")}`);
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || element.closest("script, style, .hidden, .skip, option, [hidden]")) continue;
      if (!element.checkVisibility({ checkVisibilityCSS: true, contentVisibilityAuto: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const boxes = [...range.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
      if (!boxes.length) continue;
      const [left, right] = [Math.min(...boxes.map((b) => b.left)), Math.max(...boxes.map((b) => b.right))];
      const [top, bottom] = [Math.min(...boxes.map((b) => b.top)), Math.max(...boxes.map((b) => b.bottom))];
      // No ancestor may clip the text, and on a wide screen none may hide it until it is scrolled sideways.
      for (const { element: at, x, y, box } of cutters(element)) {
        const isBeyond = right > box.right + 1 || left < box.left - 1;
        if (x !== "visible" && isBeyond) {
          const scrolls = x === "auto" || x === "scroll";
          if (!scrolls) faults.add(`${say(node.data)} is cut off by ${name(at)}`);
          else if (innerWidth >= 1280 && at.scrollWidth > at.clientWidth + 1 && !at.matches(".matrix-window")) faults.add(`${say(node.data)} is reached only by scrolling ${name(at)} sideways`);
        }
        if (y !== "visible" && (bottom > box.bottom + 1 || top < box.top - 1) && !(y === "auto" || y === "scroll")) faults.add(`${say(node.data)} is cut off below by ${name(at)}`);
        if (x === "hidden" && at.scrollWidth > at.clientWidth + 1) faults.add(`${name(at)} hides a part of ${say(at.textContent)}`);
      }
      const isShape = element instanceof SVGElement;
      if (isShape) {
        const picture = element.ownerSVGElement.closest(".chart-box, .net-box")?.getBoundingClientRect();
        if (picture && (right > picture.right + 1 || left < picture.left - 1)) faults.add(`${say(node.data)} leaves its chart`);
      }
      const style = getComputedStyle(element);
      const ground = behind(isShape ? element.ownerSVGElement.parentElement : element);
      const ink = colour(isShape ? style.fill : style.color);
      ink[3] *= opacity(element);
      const contrast = ratio(over(ink, ground), ground);
      if (contrast < 4.5) faults.add(`${say(node.data)} in ${name(element)} has a contrast of ${contrast.toFixed(2)}`);
      const height = parseFloat(style.fontSize) * (isShape ? element.ownerSVGElement.getBoundingClientRect().width / element.ownerSVGElement.viewBox.baseVal.width : 1);
      if (height < 10) faults.add(`${say(node.data)} in ${name(element)} is ${height.toFixed(1)} pixels high`);
    }
    // Marks on a chart's axes must not overlap.
    for (const svg of document.querySelectorAll("svg.chart")) {
      const marks = [...svg.querySelectorAll("text:not(.name):not(.halo)")].filter((text) => text.getBoundingClientRect().width > 0);
      marks.forEach((a, index) => {
        const first = a.getBoundingClientRect();
        for (const b of marks.slice(index + 1)) {
          const second = b.getBoundingClientRect();
          const across = Math.min(first.right, second.right) - Math.max(first.left, second.left);
          const down = Math.min(first.bottom, second.bottom) - Math.max(first.top, second.top);
          if (across > 1 && down > 3) faults.add(`${say(a.textContent)} lies on ${say(b.textContent)} in ${svg.getAttribute("aria-label")}`);
        }
      });
    }
    return [...faults];
  };
})();
// Controls: each must be reachable by Tab or, within a group that is, by arrow keys.
window.controls = () => {
  const all = [...document.querySelectorAll("a[href], button, select, input, summary, svg[tabindex], .scroll[tabindex]")];
  const shown = all.filter((e) => e.checkVisibility({ checkVisibilityCSS: true, contentVisibilityAuto: true }) && !e.closest("dialog:not([open])"));
  const roving = ".nodes, .channels, .gallery";
  return shown.filter((e) => e.tabIndex >= 0 || !e.closest(roving)).map((e, index) => ((e.dataset.control = index), index));
};

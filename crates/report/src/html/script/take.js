// Export for readers: tables as CSV, charts and channels as pictures.
(() => {
  const said = document.getElementById("said");
  const make = (text, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => act(button));
    return button;
  };
  const before = (element, ...buttons) => {
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(...buttons);
    element.before(tools);
  };
  const answer = (button, text) => {
    const old = button.textContent;
    said.textContent = button.textContent = text;
    setTimeout(() => (button.textContent = old), 1600);
  };

  const cell = (cell) => {
    const text = (cell.dataset.csv ?? cell.innerText ?? cell.textContent).replaceAll("\u202f", "").trim().replace(/\s+/g, " ");
    const plain = text === "·" ? "0" : /^-?[\d,]+(\.\d+)?$/.test(text) ? text.replaceAll(",", "") : text;
    return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  const csv = (table) => [...table.rows].filter((row) => !row.hidden).map((row) => [...row.cells].map(cell).join(",")).join("\n") + "\n";
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch (refused) {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  window.tableAsCsv = csv;
  for (const table of document.querySelectorAll("table.data")) {
    const button = make("Copy as CSV", async (button) => {
      await copy(csv(table));
      answer(button, "Copied");
    });
    before(table.closest(".scroll") ?? table, button);
  }

  const save = (uri, name) => {
    const link = document.createElement("a");
    link.href = uri;
    link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/_+$/, "");
    link.click();
  };
  // A standalone chart with its current colours.
  const PROPERTIES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "font-size", "paint-order"];
  window.chartAsSvg = (svg) => {
    const copy = svg.cloneNode(true);
    const [own, copies] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
    own.forEach((element, index) => {
      const style = getComputedStyle(element);
      copies[index].setAttribute("style", PROPERTIES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    });
    const { width, height } = svg.viewBox.baseVal;
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.setAttribute("style", `font-family:sans-serif;background:${getComputedStyle(svg.closest(".chart-box")).backgroundColor}`);
    for (const name of ["data-chart", "tabindex", "class"]) copy.removeAttribute(name);
    copy.querySelector(".cursor")?.remove();
    return new XMLSerializer().serializeToString(copy);
  };
  for (const svg of document.querySelectorAll("svg.chart")) {
    const name = svg.getAttribute("aria-label");
    const button = make("Download SVG", () => save(`data:image/svg+xml;charset=utf-8,${encodeURIComponent(window.chartAsSvg(svg))}`, `${name}.svg`));
    button.setAttribute("aria-label", `Download ${name} as SVG`);
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(button);
    svg.closest(".chart-box").append(tools);
  }
  // The part of a sheet for a channel, at its displayed size.
  window.savePicture = (map, name) => {
    const style = getComputedStyle(map);
    const sheet = new Image();
    sheet.onload = () => {
      const canvas = document.createElement("canvas");
      const [across, down] = style.backgroundSize.split(" ").map((part) => parseFloat(part) / 100);
      const [right, below] = style.backgroundPosition.split(" ").map((part) => parseFloat(part) / 100);
      const [width, height] = [sheet.width / across, sheet.height / down];
      [canvas.width, canvas.height] = [parseInt(style.width, 10), parseInt(style.height, 10)];
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(sheet, right * (sheet.width - width), below * (sheet.height - height), width, height, 0, 0, canvas.width, canvas.height);
      save(canvas.toDataURL("image/png"), `${name}.png`);
    };
    sheet.src = style.backgroundImage.slice(5, -2);
  };
})();

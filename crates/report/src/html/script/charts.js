// Shows the values of a chart at the pointer, or by arrow keys when the chart has the focus.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const element = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  for (const svg of document.querySelectorAll("svg[data-chart]")) {
    const data = JSON.parse(svg.dataset.chart);
    const box = svg.closest(".chart-box");
    const tip = box.querySelector(".tip");
    const cursor = svg.querySelector(".cursor");
    let at = -1;
    const hide = () => {
      at = -1;
      cursor.replaceChildren();
      tip.hidden = true;
    };
    const show = (index) => {
      at = Math.max(0, Math.min(data.x.length - 1, index));
      const x = data.x[at];
      cursor.replaceChildren(element("path", { d: `M${x} ${data.top}V${data.base}` }));
      const name = document.createElement("b");
      name.textContent = data.names[at];
      tip.replaceChildren(name);
      for (const series of data.series) {
        const value = series.values[at];
        if (!value) continue;
        cursor.append(element("circle", { cx: x, cy: value[0], r: 4.5, class: `s${series.colour}` }));
        const line = document.createElement("span");
        line.style.setProperty("--c", `var(--s${series.colour})`);
        line.textContent = `${series.name} ${value[1]}`;
        tip.append(line);
      }
      tip.hidden = false;
      const frame = svg.getBoundingClientRect();
      const outer = box.getBoundingClientRect();
      const place = frame.left - outer.left + (x / svg.viewBox.baseVal.width) * frame.width;
      const left = place + 14 + tip.offsetWidth > outer.width ? place - 14 - tip.offsetWidth : place + 14;
      tip.style.left = `${Math.max(4, left)}px`;
      tip.style.top = `${svg.offsetTop || frame.top - outer.top}px`;
    };
    const nearest = (event) => {
      const frame = svg.getBoundingClientRect();
      const x = ((event.clientX - frame.left) / frame.width) * svg.viewBox.baseVal.width;
      let best = 0;
      data.x.forEach((place, index) => {
        if (Math.abs(place - x) < Math.abs(data.x[best] - x)) best = index;
      });
      show(best);
    };
    svg.addEventListener("pointermove", nearest);
    svg.addEventListener("pointerdown", nearest);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: at + 1, ArrowLeft: at < 0 ? data.x.length - 1 : at - 1, Home: 0, End: data.x.length - 1 };
      if (event.key === "Escape") hide();
      else if (event.key in steps) show(steps[event.key]);
      else return;
      event.preventDefault();
    });
  }
})();

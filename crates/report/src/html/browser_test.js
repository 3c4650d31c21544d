// Clicks and types like a reader, and returns what went wrong.
(async () => {
  const wrong = [];
  const check = (holds, what) => holds || wrong.push(what);
  const all = (query, from = document) => [...from.querySelectorAll(query)];
  const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  try {
    all("main details").forEach((fold) => (fold.open = true));
    for (const image of all("img")) {
      check(image.complete && image.naturalWidth > 0 && image.hasAttribute("width") && image.hasAttribute("height"), `size of ${image.alt}`);
      check(image.hasAttribute("alt"), "a picture without words");
    }
    for (const group of all(".nodes, .channels, .gallery")) {
      check(all("button", group).filter((b) => b.tabIndex === 0).length === 1, "a group has one way in");
    }

    for (const section of all("section.maps")) {
      const tabs = all("[role=tab]", section);
      const open = () => all(".panel", section).filter((panel) => !panel.hidden);
      check(tabs.length === 3 && open().length === 1, "one layer is open");
      tabs[1].click();
      check(open().length === 1 && open()[0].dataset.name === "conv2d_1", "a click opens a layer");
      check(all(".channel", open()[0]).length === 5 && open()[0].offsetHeight > 100, "its channels are seen");
      press(tabs[1], "ArrowLeft");
      check(document.activeElement === tabs[0] && open()[0].dataset.name === "conv2d", "an arrow key opens a layer");

      // The third layer takes the second and the first: a line to its neighbour and one that passes over it.
      const edges = all(".edges path", section);
      const passes = edges.filter((edge) => edge.classList.contains("far"));
      check(edges.length >= 4 && passes.length >= 1, `the lines of the network: ${edges.length}, ${passes.length} far`);
      for (const node of all(".node-name", section)) check(node.scrollWidth <= node.clientWidth, `${node.textContent} has room`);

      const channels = all(".channel", open()[0]);
      const image = (element) => getComputedStyle(element).backgroundImage;
      check(channels[0].querySelector(".map").offsetWidth > 40, "a channel has its size");
      const first = image(channels[0].querySelector(".map"));
      check(first.startsWith('url("data:image/png'), "a channel has its picture");
      press(channels[0], "ArrowRight");
      check(document.activeElement === channels[1], "an arrow key moves to a channel");
      document.activeElement.click();
      const dialog = document.getElementById("zoom");
      const map = () => dialog.querySelector(".map");
      check(dialog.open && map().offsetWidth > channels[1].querySelector(".map").offsetWidth, "a click enlarges a channel");
      check(map().offsetWidth <= innerWidth, "the enlarged channel fits");
      check(dialog.textContent.includes("Over all images: mean 0.125"), "what is known of the channel is told");
      const columns = dialog.querySelector(".zoom-bars path").getBoundingClientRect();
      check(columns.width > 50 && columns.height > 20, "the distribution of the channel is drawn");
      check(dialog.querySelector(".zoom-bars").textContent.includes("-1"), "it has its ends");
      check(dialog.getBoundingClientRect().width <= innerWidth && dialog.scrollWidth <= dialog.clientWidth, "the dialog fits");
      const before = map().style.backgroundPosition;
      press(dialog, "ArrowRight");
      check(map().style.backgroundPosition !== before && dialog.textContent.includes("channel 2"), "the next channel");
      const closed = new Promise((done) => dialog.addEventListener("close", done, { once: true }));
      dialog.querySelector("[data-act=close]").click();
      await closed;
      check(!dialog.open && document.activeElement === channels[2], "closing goes back to the channel");

      const [camClass, camLayer] = [section.querySelector(".cam-class"), section.querySelector(".cam-layer")];
      const heat = section.querySelector(".look .heat");
      check(!heat.hidden && heat.offsetHeight > 100 && camLayer.selectedOptions[0].textContent === "conv2d", "the map that was asked for is there");
      const firstHeat = heat.style.backgroundImage;
      camClass.selectedIndex = 0;
      camLayer.value = "1";
      camLayer.dispatchEvent(new Event("change"));
      check(!heat.hidden && firstHeat.startsWith('url("data:image/png'), "another layer and class are chosen");
      camLayer.value = "-1";
      camLayer.dispatchEvent(new Event("change"));
      check(heat.hidden, "the picture alone");

      // A different picture: its name, its sheets and its ranges.
      const picks = all(".pick", section);
      const [range, name] = [channels[0].dataset.range, section.querySelector(".look-name").textContent];
      picks[1].click();
      check(picks[1].getAttribute("aria-pressed") === "true" && picks[0].getAttribute("aria-pressed") === "false", "a picture is chosen");
      check(section.querySelector(".look-name").textContent.startsWith("test image 3") && name !== section.querySelector(".look-name").textContent, "its name is told");
      check(image(channels[0].querySelector(".map")) !== first && channels[0].dataset.range !== range, "its channels show");
      picks[0].click();
      check(image(channels[0].querySelector(".map")) === first && channels[0].dataset.range === range, "the first picture comes back");
      const compare = section.querySelector(".compare select");
      compare.value = "1";
      compare.dispatchEvent(new Event("change"));
      const sides = all(".panel:not([hidden]) .channels", section);
      check(sides.length === 2 && image(sides[0].querySelector(".map")) !== image(sides[1].querySelector(".map")), "two pictures side by side");
      const second = section.querySelector(".look.second");
      check(!second.hidden && second.textContent.includes("test image 3"), "the second picture is named");
      compare.value = "";
      compare.dispatchEvent(new Event("change"));
      check(second.hidden && all(".panel:not([hidden]) .channels", section).length === 1, "and gone again");
    }

    const table = document.querySelector("table.layers");
    const names = () => all("tbody .layer-name", table).map((cell) => cell.textContent).join(" ");
    const first = names();
    const bars = all(".sort", table).find((button) => button.textContent === "normalised");
    bars.click();
    check(names().startsWith("conv2d_1 conv2d"), `sorted by a number: ${names()}`);
    check(bars.closest("th").getAttribute("aria-sort") === "descending", "the order is told");
    all(".sort", table)[0].click();
    all(".sort", table)[0].click();
    check(names() === "dense conv2d_1 conv2d", `sorted by name: ${names()}`);
    all(".sort", table)[0].click();
    check(names() === first, "the network's order comes back");
    const csv = tableAsCsv(table).split("\n");
    check(csv.length === 5 && csv[0].startsWith("layer,output,parameters,") && csv[1].startsWith("conv2d,16×8×9,448,"), `the table as CSV: ${csv}`);

    const chart = document.querySelector("svg[data-chart]");
    const tip = chart.closest(".chart-box").querySelector(".tip");
    press(chart, "End");
    check(!tip.hidden && tip.textContent.startsWith("epoch 12"), `values of a chart: ${tip.textContent}`);
    check(chart.querySelectorAll(".cursor circle").length >= 2, "each line has its mark");
    const outer = chart.closest(".chart-box").getBoundingClientRect();
    check(tip.getBoundingClientRect().right <= outer.right + 1, "the values stay on the page");
    press(chart, "Escape");
    check(tip.hidden, "Escape hides them");
    const frame = chart.getBoundingClientRect();
    chart.dispatchEvent(new PointerEvent("pointermove", { clientX: frame.left + 1, clientY: frame.top + 9 }));
    check(!tip.hidden && tip.textContent.startsWith("epoch 1"), "the pointer shows values too");
    const alone = chartAsSvg(chart);
    check(alone.includes('xmlns="http://www.w3.org/2000/svg"') && alone.includes("stroke:rgb(") && !alone.includes("data-chart"), "a chart is taken along");
    // All charts have the same letter size.
    const sizes = all("svg.chart").map((svg) => Math.round(svg.getBoundingClientRect().width));
    check(new Set(sizes).size === 1, `the widths of the charts: ${sizes}`);

    const fold = document.querySelector("main .fold");
    fold.open = false;
    location.hash = fold.parentElement.id;
    await new Promise((done) => setTimeout(done, 50));
    check(fold.open, "what an address leads to is unfolded");

    const theme = document.getElementById("theme");
    check(theme.offsetHeight < 60, "the button for the colours is one line high");
    const colours = ["", "", ""].map(() => (theme.click(), getComputedStyle(document.body).backgroundColor));
    check(new Set(colours).size === 2, `light and dark: ${colours}`);
  } catch (error) {
    wrong.push(`${error} ${error.stack}`);
  }
  return wrong;
})();

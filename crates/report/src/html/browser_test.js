// Laid into a copy of the page by browser.rs, which puts a number in the place of WIDTH.
addEventListener("load", async () => {
  const wrong = window.wrong;
  const check = (holds, what) => holds || wrong.push(what);
  const all = (query, from = document) => [...from.querySelectorAll(query)];
  const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  try {
    check(innerWidth === WIDTH, `the frame is ${innerWidth} wide`);
    const beyond = all("body *").filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .contents"));
    const culprits = beyond.map((e) => `${e.tagName} ${e.className.baseVal ?? e.className}`).join(", ");
    check(document.documentElement.scrollWidth <= innerWidth, `the page is ${document.documentElement.scrollWidth} wide: ${culprits}`);
    check(performance.getEntriesByType("resource").every((entry) => entry.name.startsWith("data:")), "a request was made");

    for (const image of all("img")) {
      check(image.complete && image.naturalWidth > 0 && image.hasAttribute("width") && image.hasAttribute("height"), `size of ${image.alt}`);
      check(image.hasAttribute("alt"), "a picture without words");
    }

    // Everything that can be used has a name and is reached by Tab.
    for (const button of all("button")) {
      check((button.getAttribute("aria-label") || button.textContent).trim() !== "", "a button without a name");
    }
    for (const group of all(".nodes, .channels")) {
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

      const channels = all(".channel", open()[0]);
      check(channels[0].querySelector(".map").offsetWidth > 40, "a channel has its size");
      check(getComputedStyle(channels[0].querySelector(".map")).backgroundImage.startsWith('url("data:image/png'), "a channel has its picture");
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
      check(dialog.querySelector(".zoom-bars").textContent.includes("-1.000"), "it has its ends");
      check(dialog.getBoundingClientRect().width <= innerWidth && dialog.scrollWidth <= dialog.clientWidth, "the dialog fits");
      const before = map().style.backgroundPosition;
      press(dialog, "ArrowRight");
      check(map().style.backgroundPosition !== before && dialog.textContent.includes("channel 2"), "the next channel");
      const closed = new Promise((done) => dialog.addEventListener("close", done, { once: true }));
      dialog.querySelector("[data-act=close]").click();
      await closed;
      check(!dialog.open && document.activeElement === channels[2], "closing goes back to the channel");
    }

    for (const chooser of all(".chooser")) {
      const [label, layer] = all("select", chooser);
      const seen = () => all(".heat", chooser).filter((heat) => heat.offsetHeight > 100);
      check(!chooser.hidden && seen().length === 1 && layer.value === "conv2d", "the map that was asked for is there");
      const first = getComputedStyle(seen()[0]).backgroundImage;
      check(first.startsWith('url("data:image/png'), "it is a picture");
      label.selectedIndex = 0;
      layer.value = "conv2d_1";
      layer.dispatchEvent(new Event("change"));
      const { layer: shown, class: of } = seen()[0].dataset;
      check(seen().length === 1 && shown === "1" && of === "0", `another layer and class are chosen: ${shown} ${of}`);
    }

    const table = document.querySelector("table.layers");
    const names = () => all("tbody th", table).map((cell) => cell.textContent.trim().split(" ")[0]).join(" ");
    const first = names();
    const bars = all(".sort", table)[7];
    bars.click();
    check(names().startsWith("conv2d_1 conv2d"), `sorted by a number: ${names()}`);
    check(bars.closest("th").getAttribute("aria-sort") === "descending", "the order is told");
    all(".sort", table)[0].click();
    all(".sort", table)[0].click();
    check(names() === "dense conv2d_1 conv2d", `sorted by name: ${names()}`);
    all(".sort", table)[0].click();
    check(names() === first, "the network's order comes back");

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

    const theme = document.getElementById("theme");
    check(theme.offsetHeight < 60, "the button for the colours is one line high");
    const colours = ["", "", ""].map(() => (theme.click(), getComputedStyle(document.body).backgroundColor));
    check(new Set(colours).size === 2, `light and dark: ${colours}`);
    theme.focus();
    check(document.activeElement === theme, "the colours are chosen by keyboard");
  } catch (error) {
    wrong.push(`${error} ${error.stack}`);
  }
  parent.postMessage(wrong.length ? wrong.join("\n") : "all is well", "*");
});

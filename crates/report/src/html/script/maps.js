// The drawing of the network: a layer shows its channels, a channel is enlarged. Without this script all layers show.
(() => {
  const move = (items, now, key) => {
    const steps = { ArrowRight: now + 1, ArrowLeft: now - 1, ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: items.length - 1 };
    return key in steps ? Math.max(0, Math.min(items.length - 1, steps[key])) : -1;
  };
  // One of a group is reached by Tab, the others by arrow keys.
  const rove = (items, chosen) => items.forEach((item, index) => (item.tabIndex = index === chosen ? 0 : -1));

  for (const section of document.querySelectorAll("section.maps")) {
    const tabs = [...section.querySelectorAll("[role=tab]")];
    const panels = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));
    const select = (chosen) => {
      rove(tabs, chosen);
      tabs.forEach((tab, index) => {
        tab.setAttribute("aria-selected", String(index === chosen));
        panels[index].hidden = index !== chosen;
      });
    };
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => select(index));
      tab.addEventListener("keydown", (event) => {
        const next = move(tabs, index, event.key);
        if (next < 0) return;
        event.preventDefault();
        select(next);
        tabs[next].focus();
        tabs[next].scrollIntoView({ block: "nearest", inline: "nearest" });
      });
    });
    if (tabs.length) select(0);
  }

  const dialog = document.getElementById("zoom");
  const title = document.getElementById("zoom-title");
  const stage = dialog.querySelector(".zoom-map");
  const note = dialog.querySelector(".fine");
  const scale = dialog.querySelectorAll(".zoom-scale span");
  const spread = dialog.querySelector(".zoom-bars");
  let channels = [];
  let shown = 0;
  const enlarge = (index) => {
    shown = Math.max(0, Math.min(channels.length - 1, index));
    const channel = channels[shown];
    const panel = channel.closest(".panel");
    const [width, height] = [Number(panel.dataset.width), Number(panel.dataset.height)];
    const room = Math.min(420, window.innerWidth * 0.8, window.innerHeight * 0.55);
    const fit = room / Math.max(width, height);
    const factor = fit >= 1 ? Math.min(Math.floor(fit), 160) : fit;
    const map = document.createElement("span");
    map.className = `map ${panel.dataset.sprite}`;
    map.style.width = `${Math.max(4, Math.round(width * factor))}px`;
    map.style.height = `${Math.max(4, Math.round(height * factor))}px`;
    map.style.backgroundSize = panel.dataset.size;
    map.style.backgroundPosition = channel.querySelector(".map").style.backgroundPosition;
    stage.replaceChildren(map);
    const name = channel.querySelector(".number").textContent;
    title.textContent = `${panel.dataset.name}, channel ${shown}${name === String(shown) ? "" : ` (${name})`}`;
    const range = channel.dataset.range;
    const [low, high] = range.split(" to ");
    dialog.querySelector(".zoom-scale").hidden = high === undefined;
    const facts = channel.dataset.facts ?? "";
    note.textContent = `${high === undefined ? `Value ${range}` : `${height} × ${width} values`}. ${facts}`;
    scale[0].textContent = low;
    scale[1].textContent = high ?? "";
    const { bars = "", ends = "" } = channel.dataset;
    spread.hidden = !bars;
    const column = (digit, place) => {
      const height = (parseInt(digit, 36) / 35) * 60;
      return height ? `M${place * 10} 60v-${height.toFixed(1)}h9v${height.toFixed(1)}z` : "";
    };
    spread.querySelector("path").setAttribute("d", [...bars].map(column).join(""));
    spread.querySelectorAll("span").forEach((end, index) => (end.textContent = ends.split(" to ")[index]));
    rove(channels, shown);
  };
  for (const group of document.querySelectorAll(".channels")) {
    const buttons = [...group.querySelectorAll(".channel")];
    rove(buttons, 0);
    buttons.forEach((button, index) => {
      button.addEventListener("click", () => {
        channels = buttons;
        enlarge(index);
        dialog.showModal();
      });
      button.addEventListener("keydown", (event) => {
        const next = move(buttons, index, event.key);
        if (next < 0) return;
        event.preventDefault();
        rove(buttons, next);
        buttons[next].focus();
      });
    });
  }
  const acts = { close: () => dialog.close(), previous: () => enlarge(shown - 1), next: () => enlarge(shown + 1) };
  for (const button of dialog.querySelectorAll("[data-act]")) button.addEventListener("click", acts[button.dataset.act]);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") acts.previous();
    else if (event.key === "ArrowRight") acts.next();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => channels[shown]?.focus());
})();

// Shows what each layer sees in the chosen picture. Without this script, the first picture and all layers are shown.
(() => {
  const move = (items, now, key) => {
    const steps = { ArrowRight: now + 1, ArrowLeft: now - 1, ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: items.length - 1 };
    return key in steps ? Math.max(0, Math.min(items.length - 1, steps[key])) : -1;
  };
  // One of a group is reachable by Tab, the others by arrow keys.
  const rove = (items, chosen) => items.forEach((item, index) => (item.tabIndex = index === chosen ? 0 : -1));
  const make = (name, classes, text = "") => Object.assign(document.createElement(name), { className: classes, textContent: text });

  const dialog = document.getElementById("zoom");
  let channels = [];
  let zoomed = 0;

  const explore = (section) => {
    const pictures = JSON.parse(section.querySelector(".pictures").textContent);
    const tabs = [...section.querySelectorAll("[role=tab]")];
    const panels = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));
    const [look, second] = section.querySelectorAll(".look");
    const [camClass, camLayer] = [section.querySelector(".cam-class"), section.querySelector(".cam-layer")];
    const picks = [...section.querySelectorAll(".pick")];
    const compare = section.querySelector(".compare select");
    let [shown, other, layer] = [0, -1, 0];

    // The sheets of the first picture are in the style sheet, and those of the others in the data.
    const sheet = (picture, index) => (picture ? `url(${pictures[picture].sheets[index]})` : "");
    const dress = (group, picture, index) => {
      group.style.setProperty("--image", sheet(picture, index));
      if (!picture) group.style.removeProperty("--image");
      [...group.querySelectorAll(".channel")].forEach((channel, place) => {
        const range = pictures[picture].ranges[index][place];
        channel.dataset.range = range;
        channel.classList.toggle("flat", range.endsWith(" everywhere"));
        const name = channel.querySelector(".number").textContent;
        channel.setAttribute("aria-label", `channel ${place}${name === String(place) ? "" : `, ${name}`}: ${range}`);
      });
    };
    const describe = (into, picture) => {
      const { name, label, right, guesses } = pictures[picture];
      const title = make("p", "look-name");
      title.append(make("strong", "", name), label === null ? "" : `: ${label}, ${right ? "recognised" : "not recognised"}`);
      const rows = guesses.map(([guess, share, width, tone]) => {
        const row = make("tr");
        const bar = make("span", `bar ${tone}`);
        bar.append(make("i"));
        bar.firstChild.style.width = `${width}%`;
        const head = make("th", "", guess);
        head.scope = "row";
        row.append(head, make("td", "guess"), make("td", "number", share));
        row.cells[1].append(bar);
        return row;
      });
      into.querySelector(".look-name").replaceWith(title);
      into.querySelector(".guesses tbody").replaceChildren(...rows);
      const image = into.querySelector(".shown img");
      image.src = pictures[picture].uri;
      image.alt = name;
    };
    const heat = (into, picture) => {
      const cover = into.querySelector(".heat");
      const found = pictures[picture].cams.find(([at, of]) => at === Number(camLayer?.value ?? -1) && of === camClass.value);
      cover.hidden = !found;
      if (found) cover.style.backgroundImage = `url(${found[2]})`;
      return found;
    };
    const heats = () => {
      if (!camClass) return;
      const found = heat(look, shown);
      if (other >= 0) heat(second, other);
      const note = section.querySelector(".chooser [role=status]");
      note.textContent = Number(camLayer.value) < 0 ? "" : !found ? "No map for this class in this picture." : found[3] ? "The same everywhere." : "";
    };
    const beside = () => {
      const group = panels[layer].querySelector(".channels:not(.side .channels)");
      panels.forEach((panel) => panel.querySelector(".side")?.remove());
      if (other < 0) return;
      const side = make("div", "side");
      const copy = group.cloneNode(true);
      copy.setAttribute("aria-label", `${group.getAttribute("aria-label")}, ${pictures[other].name}`);
      side.append(make("p", "fine", `The same layer for ${pictures[other].name}`), copy);
      panels[layer].append(side);
      dress(copy, other, layer);
      if (!other) copy.style.removeProperty("--image");
      arm(copy);
    };
    const show = (picture) => {
      shown = picture;
      picks.forEach((pick, index) => pick.setAttribute("aria-pressed", String(index === picture)));
      if (picks.length) rove(picks, picture);
      describe(look, picture);
      for (const node of section.querySelectorAll(".node .map")) {
        node.style.setProperty("--image", sheet(picture, Number(node.dataset.sheet)));
        if (!picture) node.style.removeProperty("--image");
      }
      for (const image of section.querySelectorAll(".node.input img")) image.src = pictures[picture].uri;
      panels.forEach((panel, index) => dress(panel.querySelector(".channels"), picture, index));
      if (camClass) {
        const names = [...new Set(pictures[picture].cams.map((cam) => cam[1]))];
        camClass.replaceChildren(...names.map((name) => make("option", "", name)));
      }
      heats();
    };
    const select = (chosen) => {
      layer = chosen;
      rove(tabs, chosen);
      tabs.forEach((tab, index) => {
        tab.setAttribute("aria-selected", String(index === chosen));
        panels[index].hidden = index !== chosen;
      });
      beside();
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
    picks.forEach((pick, index) => {
      pick.addEventListener("click", () => show(index));
      pick.addEventListener("keydown", (event) => {
        const next = move(picks, index, event.key);
        if (next < 0) return;
        event.preventDefault();
        show(next);
        picks[next].focus();
      });
    });
    compare?.addEventListener("change", () => {
      other = compare.value === "" ? -1 : Number(compare.value);
      second.hidden = other < 0;
      if (other >= 0) {
        second.replaceChildren(look.firstElementChild.cloneNode(true));
        describe(second, other);
      }
      heats();
      beside();
    });
    camClass?.addEventListener("change", heats);
    camLayer?.addEventListener("change", heats);
    for (const hidden of section.querySelectorAll(".gallery, .compare, .chooser, .pick-note")) hidden.hidden = false;
    for (const group of section.querySelectorAll(".channels")) arm(group);
    if (picks.length) rove(picks, 0);
    if (tabs.length) select(0);
    heats();
  };

  // The enlarged channel.
  const title = document.getElementById("zoom-title");
  const stage = dialog.querySelector(".zoom-map");
  const note = dialog.querySelector(".fine");
  const scale = dialog.querySelectorAll(".zoom-scale span");
  const spread = dialog.querySelector(".zoom-bars");
  const enlarge = (index) => {
    zoomed = Math.max(0, Math.min(channels.length - 1, index));
    const channel = channels[zoomed];
    const panel = channel.closest(".panel");
    const [width, height] = [Number(panel.dataset.width), Number(panel.dataset.height)];
    const room = Math.min(420, window.innerWidth * 0.8, window.innerHeight * 0.55);
    const fit = room / Math.max(width, height);
    const factor = fit >= 1 ? Math.min(Math.floor(fit), 160) : fit;
    const from = channel.querySelector(".map");
    const map = make("span", "map");
    map.style.width = `${Math.max(4, Math.round(width * factor))}px`;
    map.style.height = `${Math.max(4, Math.round(height * factor))}px`;
    map.style.backgroundImage = getComputedStyle(from).backgroundImage;
    map.style.backgroundSize = panel.dataset.size;
    map.style.backgroundPosition = from.style.backgroundPosition;
    stage.replaceChildren(map);
    const name = channel.querySelector(".number").textContent;
    title.textContent = `${panel.dataset.name}, channel ${zoomed}${name === String(zoomed) ? "" : ` (${name})`}`;
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
    rove(channels, zoomed);
  };
  function arm(group) {
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
  const acts = {
    close: () => dialog.close(),
    previous: () => enlarge(zoomed - 1),
    next: () => enlarge(zoomed + 1),
    save: () => window.savePicture(stage.querySelector(".map"), title.textContent),
  };
  for (const button of dialog.querySelectorAll("[data-act]")) button.addEventListener("click", acts[button.dataset.act]);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") acts.previous();
    else if (event.key === "ArrowRight") acts.next();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => channels[zoomed]?.focus());

  document.querySelectorAll("section.maps").forEach(explore);
})();

// Grad-CAM at the layer and for the class that are chosen. Without this script only the maps that were asked for show.
(() => {
  for (const chooser of document.querySelectorAll(".chooser")) {
    const [label, layer] = chooser.querySelectorAll("select");
    const note = chooser.querySelector("[role=status]");
    const show = () => {
      for (const heat of chooser.querySelectorAll(".heat")) {
        const isChosen = heat.dataset.layer === String(layer.selectedIndex) && heat.dataset.class === String(label.selectedIndex);
        heat.hidden = !isChosen;
        if (isChosen) note.textContent = "flat" in heat.dataset ? "The same everywhere." : "";
      }
    };
    layer.addEventListener("change", show);
    label.addEventListener("change", show);
    chooser.hidden = false;
    show();
    // It begins with the only one that was asked for.
    for (const still of chooser.parentElement.querySelectorAll(".still")) still.hidden = true;
  }
})();

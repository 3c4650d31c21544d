// Many classes: a searchable table, and an enlarged confusion matrix that is read square by square.
(() => {
  for (const search of document.querySelectorAll(".search")) {
    const input = search.querySelector("input");
    const note = search.querySelector("[role=status]");
    const rows = [...search.parentElement.querySelector("tbody").rows];
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLocaleLowerCase();
      for (const row of rows) row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
      const left = rows.filter((row) => !row.hidden).length;
      note.textContent = wanted ? `${left} of ${rows.length} classes` : "";
    });
    search.hidden = false;
  }
  for (const matrix of document.querySelectorAll(".matrix")) {
    const { classes, counts } = JSON.parse(matrix.querySelector("script").textContent);
    const [frame, image] = [matrix.querySelector(".matrix-window"), matrix.querySelector("img")];
    const note = matrix.querySelector("[role=status]");
    const found = new Map(counts.map(([label, prediction, count]) => [label * classes.length + prediction, count]));
    let [row, column, zoom] = [0, 0, 1];
    const tell = () => {
      const count = found.get(row * classes.length + column) ?? 0;
      note.textContent = `${classes[row]}, predicted as ${classes[column]}: ${count}`;
    };
    image.addEventListener("pointermove", (event) => {
      const place = (at, size) => Math.max(0, Math.min(classes.length - 1, Math.floor((at / size) * classes.length)));
      [row, column] = [place(event.offsetY, image.offsetHeight), place(event.offsetX, image.offsetWidth)];
      tell();
    });
    const clamp = (value) => Math.max(0, Math.min(classes.length - 1, value));
    frame.addEventListener("keydown", (event) => {
      const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const [down, right] = steps[event.key];
      [row, column] = [clamp(row + down), clamp(column + right)];
      tell();
    });
    for (const button of matrix.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => {
        zoom = Math.max(1, Math.min(8, zoom * (button.dataset.zoom === "1" ? 2 : 0.5)));
        image.style.width = zoom === 1 ? "" : `${560 * zoom}px`;
      });
    }
    matrix.querySelector(".matrix-tools").hidden = false;
  }
})();

// Foldable sections, and a table of contents.
(() => {
  const nav = document.querySelector(".contents");
  const menu = nav.querySelector("details");
  const wide = matchMedia("(min-width:900px)");
  const fit = () => {
    nav.toggleAttribute("data-wide", true);
    menu.open = wide.matches;
    document.documentElement.style.setProperty("--bar-height", `${nav.offsetHeight}px`);
    document.documentElement.style.scrollPaddingTop = `${nav.offsetHeight + 12}px`;
  };
  wide.addEventListener("change", fit);
  addEventListener("resize", fit);
  fit();
  // The target of a link is unfolded.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const inside = target.querySelectorAll(target.matches(".run") ? ":scope > section > .fold" : ":scope > .fold");
    inside.forEach((fold) => (fold.open = true));
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  for (const link of document.querySelectorAll("a[href^='#']")) {
    link.addEventListener("click", () => {
      if (!wide.matches && nav.contains(link)) menu.open = false;
      if (link.hash === location.hash) unfold();
    });
  }
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    folded.forEach((fold) => (fold.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((fold) => (fold.open = false)));
})();

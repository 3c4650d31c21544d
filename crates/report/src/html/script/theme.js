// The colours of the page: the system's until the reader chooses others.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  button.hidden = false;
  const order = ["auto", "light", "dark"];
  const names = { auto: "Auto", light: "Light", dark: "Dark" };
  const show = (theme) => {
    root.classList.remove("light", "dark");
    if (theme !== "auto") root.classList.add(theme);
    button.textContent = names[theme];
    button.setAttribute("aria-label", `Colours of the page: ${names[theme].toLowerCase()}`);
  };
  // Storage may be unavailable for a page opened from a file.
  let theme = "auto";
  try {
    theme = localStorage.getItem("convscope-theme") || "auto";
  } catch (refused) {}
  show(order.includes(theme) ? theme : "auto");
  button.addEventListener("click", () => {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    show(theme);
    try {
      localStorage.setItem("convscope-theme", theme);
    } catch (refused) {}
  });
})();

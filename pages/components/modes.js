// A row of names of which one is chosen, by press and by arrow keys; `chosen(name)` is told.
function createModes(place, chosen) {
  let mode = null;

  function choose(name) {
    mode = name;
    for (const button of place.children) {
      const checked = button.textContent === name;
      button.setAttribute("aria-checked", checked);
      button.tabIndex = checked ? 0 : -1;
    }
    chosen(name);
  }

  place.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const all = [...place.children];
    const next = all[(all.indexOf(event.target) + move + all.length) % all.length];
    next.click();
    next.focus();
  });

  return {
    choose,
    offer(names) {
      if ([...place.children].map(({ textContent }) => textContent).join() === names.join()) return;
      place.replaceChildren(...names.map((name) => {
        const button = Object.assign(document.createElement("button"), { textContent: name, onclick: () => choose(name) });
        button.setAttribute("role", "radio");
        return button;
      }));
      choose(names.includes(mode) ? mode : names[0]);
    },
  };
}

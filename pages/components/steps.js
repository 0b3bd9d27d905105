// data: { names: [text], times: [text], step: the one to begin with }
// state: step = index

// Where the arrow keys already mean something.
const OWN_ARROWS = "input, textarea, select, [contenteditable], [role=slider], [role=radio], [role=dialog] *";

export default mountedOnce(mount);

function mount(root, { data: { step } }) {
  const strip = root.querySelector(".steps");
  let current = step;
  let tell = () => {};

  function go(index) {
    if (index < 0 || index >= strip.children.length || index === current) return;
    current = index;
    draw();
    tell("step", index);
  }

  function draw() {
    [...strip.children].forEach((tab, index) => {
      tab.setAttribute("aria-selected", index === current);
      tab.tabIndex = index === current ? 0 : -1;
    });
    const { offsetLeft, offsetWidth } = strip.children[current];
    strip.scrollTo({ left: offsetLeft + offsetWidth / 2 - strip.clientWidth / 2, behavior: "smooth" });
  }

  function onKey(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const [target] = event.composedPath();
    if (!move || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    if (target instanceof Element && target.closest(OWN_ARROWS)) return;
    event.preventDefault();
    go(current + move);
    if (strip.contains(target)) strip.children[current].focus();
  }

  return ({ data: { names, times }, setStateValue }) => {
    tell = setStateValue;
    while (strip.children.length < names.length) {
      const index = strip.children.length;
      const tab = document.createElement("button");
      tab.setAttribute("role", "tab");
      tab.append(document.createElement("span"), document.createElement("small"));
      tab.onclick = () => go(index);
      strip.append(tab);
    }
    names.forEach((name, index) => {
      const [label, time] = strip.children[index].children;
      label.textContent = name;
      time.textContent = times[index];
    });
    draw();
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  };
}

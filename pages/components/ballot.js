// data: { id of the question, undo: whether there is a vote to take back }
// state: choice = { id, choice: "left" | "right" | "tie" | "skip" | "undo" }; a question is answered
// once. Not a trigger: Streamlit drops one that waits while the script runs.

const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", " ": "skip", u: "undo", U: "undo" };
// Where these keys already mean something.
const OWN_KEYS = "input, textarea, select, summary, a, [contenteditable], [role=slider], [role=radio], [role=combobox], [role=grid]";

export default mountedOnce(mount);

function mount(root) {
  const buttons = [...root.querySelectorAll("button")];
  let asked = null;
  let answered = null;
  let canUndo = false;
  let send = () => {};

  function draw() {
    for (const button of buttons) {
      button.disabled = asked === answered || (button.dataset.choice === "undo" && !canUndo);
      button.classList.toggle("pressed", false);
    }
  }

  function say(choice) {
    const button = buttons.find(({ dataset }) => dataset.choice === choice);
    if (button.disabled) return;
    answered = asked;
    draw();
    button.classList.add("pressed");
    send("choice", { id: asked, choice });
  }

  function onKey(event) {
    const choice = KEYS[event.key];
    const [target] = event.composedPath();
    if (!choice || event.defaultPrevented || event.repeat || event.altKey || event.ctrlKey || event.metaKey) return;
    if (target instanceof Element && target.closest(OWN_KEYS)) return;
    event.preventDefault();
    say(choice);
  }

  for (const button of buttons) button.onclick = () => say(button.dataset.choice);

  return ({ data, setStateValue }) => {
    send = setStateValue;
    asked = data.id;
    canUndo = data.undo;
    draw();
    root.querySelector(".ballot").dataset.asked = asked;
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  };
}

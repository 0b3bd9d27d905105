// data: { id, url: data URL of the photo, count: its columns, column: the one to begin with, height }
// state: column = index

export default mountedOnce(mount);

function mount(root) {
  const box = root.querySelector(".column");
  const [photo, slider, label] = ["img", "input", "output"].map((name) => box.querySelector(name));
  let shown = null;

  return ({ data, setStateValue }) => {
    function draw() {
      box.style.setProperty("--place", (Number(slider.value) + 0.5) / data.count);
      label.textContent = `column ${slider.value}`;
    }

    if (shown !== data.id) {
      shown = data.id;
      box.style.setProperty("--picture-height", data.height);
      slider.max = data.count - 1;
      slider.value = data.column;
      Object.assign(photo, { src: data.url, alt: "The photo, its unknown band bright" });
    }
    slider.oninput = draw;
    slider.onchange = () => setStateValue("column", Number(slider.value));
    draw();
  };
}

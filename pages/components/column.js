// data: { id, url: data URL of the photo, count: its columns, column: the one to begin with, height }
// state: column = index

const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const box = parentElement.querySelector(".column");
  const [photo, slider, label] = ["img", "input", "output"].map((name) => box.querySelector(name));

  function draw() {
    box.style.setProperty("--place", (Number(slider.value) + 0.5) / data.count);
    label.textContent = `column ${slider.value}`;
  }

  if (mounted.get(box) !== data.id) {
    mounted.set(box, data.id);
    box.style.setProperty("--picture-height", data.height);
    slider.max = data.count - 1;
    slider.value = data.column;
    Object.assign(photo, { src: data.url, alt: "The photo, its unknown band bright" });
  }
  slider.oninput = draw;
  slider.onchange = () => setStateValue("column", Number(slider.value));
  draw();
}

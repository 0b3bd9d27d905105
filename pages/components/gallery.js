// data: { height: CSS height of the pictures, pictures: [{ id, label, url }] }
// trigger: picked = id

export default function ({ data, parentElement, setTriggerValue }) {
  const gallery = parentElement.querySelector(".gallery");
  gallery.style.setProperty("--height", data.height);
  gallery.replaceChildren(...data.pictures.map(({ id, label, url }) => {
    const button = document.createElement("button");
    const caption = Object.assign(document.createElement("span"), { textContent: label });
    button.append(Object.assign(document.createElement("img"), { src: url, alt: "", draggable: false }), caption);
    button.onclick = () => setTriggerValue("picked", id);
    return button;
  }));
}

// What a component exports: `mount(root, component)` runs once for each place on the page; what it
// returns is called with every run of the script.
function mountedOnce(mount) {
  const mounted = new WeakMap();
  return (component) => {
    const { parentElement } = component;
    if (!mounted.has(parentElement)) mounted.set(parentElement, mount(parentElement, component));
    return mounted.get(parentElement)(component);
  };
}

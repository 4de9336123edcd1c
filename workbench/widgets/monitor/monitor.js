// Browser side of the monitor: shows its traits, and sends commands.
// Charts are drawn by the BokehJS source that the kernel sends: no network is needed.

const libraries = (globalThis.__workbench_bokeh ??= new Map());

/** Bokeh of the kernel's version: the page's own where it has that version, otherwise the given one. */
function bokehOf(version, script) {
  if (globalThis.Bokeh?.version === version) return globalThis.Bokeh;
  if (!libraries.has(version)) {
    const before = globalThis.Bokeh;
    delete globalThis.Bokeh;
    const element = document.createElement("script");
    element.textContent = script;
    document.head.append(element); // runs at once
    element.remove();
    libraries.set(version, globalThis.Bokeh);
    if (before !== undefined) globalThis.Bokeh = before; // other code may need its own version
  }
  return libraries.get(version);
}

function make(parent, tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

const numbers = (view) =>
  new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/** Buttons and the field of the learning rate's factor. */
function controls(model, parent) {
  const row = make(parent, "div", "row controls");
  const button = (text, title, order) => {
    const made = make(row, "button", "", text);
    made.title = title;
    made.onclick = () => model.send({ order: order() });
    return made;
  };
  const paused = () => model.get("status") === "paused";
  const hold = button("Pause", "after the current step", () => (paused() ? "resume" : "pause"));
  const stop = button("Stop", "after the current step, with a checkpoint", () => "stop");
  const save = button("Save a checkpoint", "after the current step", () => "save");
  const label = make(row, "label", "label", "Learning rate × ");
  const factor = make(label, "input");
  factor.type = "number";
  factor.min = "0";
  factor.step = "any";
  factor.title = "a factor of the schedule";
  factor.onchange = () => model.send({ order: "rate", value: Number(factor.value) });
  return () => {
    const going = ["running", "paused"].includes(model.get("status"));
    row.hidden = !going;
    hold.textContent = paused() ? "Resume" : "Pause";
    if (document.activeElement !== factor) factor.value = model.get("factor");
  };
}

/** Notice at the top of the monitor after the kernel has ended (class "alone"). */
function parting(model, parent) {
  const notice = make(parent, "div", "gone", "This is what a kernel saw last that has ended since. ");
  notice.append("A training in another process is still running: ");
  make(notice, "code", "", `workbench.watch(${JSON.stringify(model.get("path"))})`);
  notice.append(" shows it.");
}

/** Status, figures, message and alarms. */
function words(model, parent) {
  parting(model, parent);
  const head = make(parent, "div", "row");
  const bar = make(parent, "progress");
  const update = controls(model, parent);
  const message = make(parent, "div", "message");
  const alarms = make(parent, "div");
  return () => {
    head.replaceChildren();
    make(head, "span", `status ${model.get("status")}`, model.get("status"));
    make(head, "b", "", model.get("name"));
    for (const [label, value] of model.get("facts")) {
      const fact = make(head, "span");
      make(fact, "span", "label", label);
      make(fact, "span", "value", value);
    }
    bar.value = model.get("fraction");
    message.textContent = model.get("message");
    alarms.replaceChildren();
    for (const { step, what, why, remedy } of model.get("alarms")) {
      const alarm = make(alarms, "div", "alarm");
      make(alarm, "b", "", `step ${step}: ${what}. `);
      alarm.append(`${why}; ${remedy}.`);
    }
    update();
  };
}

/** Charts for one set of measurements, with a function that gives their lines new values. */
async function charts(model, parent) {
  const { document: text, sources, range: id } = model.get("figures");
  const bokeh = bokehOf(model.get("version"), model.get("library"));
  const drawn = bokeh.require("document").Document.from_json(JSON.parse(text));
  const views = await bokeh.embed.add_document_standalone(drawn, parent);
  const range = drawn.get_model_by_id(id);
  let ours = false; // whether this code, not the user, moves the range
  let timer = 0;

  const update = () => {
    for (const [source, name] of Object.entries(sources)) {
      const line = model.get("lines")[name];
      if (line) {
        const [step, value] = line.map(numbers);
        drawn.get_model_by_id(source).data = { step, value };
      }
    }
    const whole = Math.max(model.get("last"), 1);
    const follows = model.get("window").length === 0;
    ours = true;
    range.setv({ reset_start: 0, reset_end: whole, ...(follows && { start: 0, end: whole }) });
    ours = false;
  };
  range.change.connect(() => {
    if (ours) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      const all = range.start === range.reset_start && range.end === range.reset_end;
      model.set("window", all ? [] : [range.start, range.end]);
      model.save_changes();
    }, 150);
  });
  return { update, remove: () => (clearTimeout(timer), views.clear?.(), parent.replaceChildren()) };
}

function render({ model, el }) {
  const root = make(el, "div", "workbench-monitor");
  const say = words(model, root);
  const place = make(root, "div", "charts");
  let shown; // promise of the charts
  const draw = () => {
    const before = shown;
    shown = (async () => {
      (await before?.catch(() => undefined))?.remove();
      if (!model.get("figures").document) return undefined;
      const made = await charts(model, place);
      made.update();
      return made;
    })();
    shown.catch((error) => make(root, "div", "alarm", `The charts cannot be drawn: ${error}`));
  };
  const settled = () => shown.catch(() => undefined); // an error was shown when it came
  const update = async () => (await settled())?.update();
  const said = ["status", "name", "facts", "fraction", "factor", "message", "alarms"];
  const leave = () => root.classList.add("alone"); // ipywidgets sends this event only then
  const hear = () => root.classList.remove("alone");
  model.on("comm_live_update", leave);
  model.on("change", hear);
  for (const name of said) model.on(`change:${name}`, say);
  model.on("change:figures", draw);
  model.on("change:lines", update);
  say();
  draw();
  model.send({ kind: "here" });
  return async () => {
    model.off("comm_live_update", leave);
    model.off("change", hear);
    for (const name of said) model.off(`change:${name}`, say);
    model.off("change:figures", draw);
    model.off("change:lines", update);
    (await settled())?.remove();
  };
}

export default { render };

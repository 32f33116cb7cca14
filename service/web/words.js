/** Numbers and names as people read them. */

/** A share in [0, 1] as a percentage; what is tiny is not called nothing. */
export function percent(share) {
  if (share === 0) return "0%";
  if (share < 0.001) return "<0.1%";
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}

/** A label's first name and its synonyms: ["tabby", "tabby cat"] of "tabby, tabby cat". */
export function synonyms(label) {
  return label.split(",").map((name) => name.trim());
}

/** A label's first name. */
export function shortly(label) {
  return synonyms(label)[0];
}

/** Seconds in a unit that suits them. */
export function duration(seconds) {
  if (seconds >= 10) return `${seconds.toFixed(0)} s`;
  return seconds >= 1 ? `${seconds.toFixed(1)} s` : `${significant(1000 * seconds)} ms`;
}

/** A number that is not negative, to two digits and no more decimals than these need. */
export function significant(value) {
  if (value >= 10) return value.toFixed(0);
  return value >= 1 || value === 0 ? String(Number(value.toFixed(1))) : String(Number(value.toPrecision(2)));
}

/** A word as a heading has it. */
export function capitalized(word) {
  return word[0].toUpperCase() + word.slice(1);
}

const METHODS = {
  gradient: "Gradient",
  gradient_x_input: "Gradient × input",
  smoothgrad: "SmoothGrad",
  integrated_gradients: "Integrated gradients",
  gradcam: "Grad-CAM",
  "gradcam++": "Grad-CAM++",
  hirescam: "HiResCAM",
  layercam: "LayerCAM",
  xgradcam: "XGrad-CAM",
  cam: "CAM",
  eigencam: "Eigen-CAM",
  scorecam: "Score-CAM",
  occlusion: "Occlusion",
  rise: "RISE",
};

/** A saliency method as its paper writes it. */
export function methodName(method) {
  return METHODS[method] ?? method;
}

const PARAMETERS = {
  signed: "Show what speaks against it too",
  samples: "Noisy copies",
  sigma: "Noise, sigma",
  steps: "Steps",
  baseline: "From a photo that is",
  channels: "Channels tried",
  window: "Window, pixels",
  stride: "Stride, pixels",
  masks: "Random masks",
  seed: "Random seed",
};

/** A method's parameter in words. */
export function parameterName(name) {
  return PARAMETERS[name] ?? name;
}

/** The colour maps of heat maps. */

const OKLAB_TO_LMS = [
  [1, 0.3963377774, 0.2158037573],
  [1, -0.1055613458, -0.0638541728],
  [1, -0.0894841775, -1.2914855480],
];
const LMS_TO_RGB = [
  [4.0767416621, -3.3077115913, 0.2309699292],
  [-1.2684380046, 2.6097574011, -0.3413193965],
  [-0.0041960863, -0.7034186147, 1.7076147010],
];

/**
 * 256 sRGB colours, [red, green, blue] in 0..255, from near black over violet and orange to
 * yellow. Lightness rises evenly in OKLab (Ottosson 2020), so that equal steps of the map
 * look equal. The pictures that the service draws have the same.
 *
 * @returns {number[][]}
 */
export function colours() {
  return palette((position) => 285 + 185 * position);
}

/** The same from near black over blue to a pale green: for what speaks against a class. */
export function coldColours() {
  return palette((position) => 285 - 130 * position);
}

function palette(hue) {
  return Array.from({ length: 256 }, (_, step) => colour(step / 255, hue(step / 255)));
}

function colour(position, hue) {
  const lightness = 0.16 + 0.8 * position;
  const chroma = 0.03 + 0.13 * Math.max(0, Math.sin(Math.PI * position ** 0.9)) ** 0.8;
  const turned = (hue * Math.PI) / 180;
  const lab = [lightness, chroma * Math.cos(turned), chroma * Math.sin(turned)];
  const lms = times(OKLAB_TO_LMS, lab).map((value) => value ** 3);
  return times(LMS_TO_RGB, lms).map(encoded);
}

function times(matrix, vector) {
  return matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));
}

function encoded(linear) {
  const inside = Math.min(1, Math.max(0, linear));
  const gamma = inside <= 0.0031308 ? 12.92 * inside : 1.055 * inside ** (1 / 2.4) - 0.055;
  return Math.round(255 * gamma);
}

// The pictures on the cards of `memory`: a shape, a name and a hue for each face that the game knows.

/** A picture, as the path of an SVG of 24 by 24. */
export interface Face {
  readonly name: string;
  readonly path: string;
  readonly hue: number;
}

const SHAPES: readonly (readonly [face: string, name: string, path: string])[] = [
  ["A", "star", "M12 2l3 6.6 7.1.8-5.3 4.8 1.5 7L12 17.7l-6.3 3.5 1.5-7L1.9 9.4 9 8.6z"],
  [
    "B",
    "heart",
    "M12 21.3C5 15.9 2.3 12.3 2.3 8.7a5.1 5.1 0 0 1 9.7-2.3 5.1 5.1 0 0 1 9.7 2.3c0 3.6-2.7 7.2-9.7 12.6z",
  ],
  ["C", "disc", "M12 2.5a9.5 9.5 0 1 0 .01 0z"],
  ["D", "diamond", "M12 1.5l8.5 10.5L12 22.5 3.5 12z"],
  [
    "E",
    "square",
    "M5.5 3h13A2.5 2.5 0 0 1 21 5.5v13a2.5 2.5 0 0 1-2.5 2.5h-13A2.5 2.5 0 0 1 3 18.5v-13A2.5 2.5 0 0 1 5.5 3z",
  ],
  ["F", "triangle", "M12 2.5L22.5 21h-21z"],
  ["G", "hexagon", "M12 1.5l9 5.25v10.5l-9 5.25-9-5.25V6.75z"],
  ["H", "moon", "M20.5 14.8A9.3 9.3 0 1 1 9.2 3.5a7.6 7.6 0 0 0 11.3 11.3z"],
  ["I", "bolt", "M14 1.5L3.5 14h7L9.5 22.5 20.5 9.5h-7.5z"],
  ["J", "drop", "M12 1.5c4.2 5.4 7 9 7 13a7 7 0 0 1-14 0c0-4 2.8-7.6 7-13z"],
  ["K", "plus", "M8.7 2.5h6.6v6.2h6.2v6.6h-6.2v6.2H8.7v-6.2H2.5V8.7h6.2z"],
  ["L", "leaf", "M3.5 20.5C2 9.5 9 2.5 21.5 2.5c0 12.5-7 19.5-18 18z"],
  ["M", "ring", "M12 2a10 10 0 1 0 .01 0zM12 7.5a4.5 4.5 0 1 1-.01 0z"],
  ["N", "arrow", "M12 1.5l9.5 10.5h-5.2v10.5H7.7V12H2.5z"],
  ["O", "hourglass", "M4 2h16l-6.5 10L20 22H4l6.5-10z"],
  ["P", "flag", "M4.5 2h2.8v1.5H20.5l-3.2 4.5 3.2 4.5H7.3V22H4.5z"],
  ["Q", "crown", "M3.3 20h17.4L22.5 7l-5.6 4.6L12 3.5l-4.9 8.1L1.5 7z"],
  ["R", "house", "M12 2l10.5 9.3h-3.2V21.5h-5.1v-6.3H9.8v6.3H4.7V11.3H1.5z"],
  ["S", "shield", "M12 1.7l8.7 3.1v6.7c0 5.1-3.5 8.8-8.7 10.8-5.2-2-8.7-5.7-8.7-10.8V4.8z"],
  ["T", "tree", "M12 1.5l7 8.8h-3.3l4.8 6.2h-6.8v6h-3.4v-6H3.5l4.8-6.2H5z"],
  [
    "U",
    "umbrella",
    "M12 2a10.3 10.3 0 0 1 10.3 10.3h-8.8v6.2a3.7 3.7 0 0 1-7.4 0h2.8a.9.9 0 0 0 1.8 0v-6.2h-9A10.3 10.3 0 0 1 12 2z",
  ],
  [
    "V",
    "bell",
    "M12 1.5a2.2 2.2 0 0 1 2.2 2.2c2.9.9 4.8 3.6 4.8 7v4.6l2.2 3.2H2.8L5 15.3v-4.6c0-3.4 1.9-6.1 4.8-7A2.2 2.2 0 0 1 12 1.5zM9.3 20h5.4a2.7 2.7 0 0 1-5.4 0z",
  ],
  [
    "W",
    "waves",
    "M1.5 7.5c3.5-4.7 7-4.7 10.5-1 3.5 3.7 7 3.7 10.5 0v4.8c-3.5 4.7-7 4.7-10.5 1-3.5-3.7-7-3.7-10.5 0zM1.5 16.5c3.5-4.7 7-4.7 10.5-1 3.5 3.7 7 3.7 10.5 0v4.3c-3.5 4.7-7 4.7-10.5 1-3.5-3.7-7-3.7-10.5 0z",
  ],
  ["X", "cross", "M5.2 2l6.8 6.8L18.8 2 22 5.2 15.2 12l6.8 6.8-3.2 3.2-6.8-6.8L5.2 22 2 18.8 8.8 12 2 5.2z"],
  [
    "Y",
    "cup",
    "M6 2.5h12v2.7h4.3c0 4.7-2 7.3-5.1 8-.9 1.5-2.2 2.5-3.7 2.9v2.7h3.8v2.9H6.7v-2.9h3.8v-2.7c-1.5-.4-2.8-1.4-3.7-2.9-3.1-.7-5.1-3.3-5.1-8H6z",
  ],
  [
    "Z",
    "key",
    "M7.3 6.3a5.7 5.7 0 1 0 5.4 7.6h2.7v3.3h3.1v-3.3h3.8v-3.8h-9.6a5.7 5.7 0 0 0-5.4-3.8zM7.3 10a2 2 0 1 1-.01 0z",
  ],
  ["2", "pair", "M7 6.5a5.5 5.5 0 1 0 .01 0zM17 6.5a5.5 5.5 0 1 0 .01 0z"],
  [
    "3",
    "clover",
    "M12 2a4.9 4.9 0 1 0 .01 0zM6.5 10a4.9 4.9 0 1 0 .01 0zM17.5 10a4.9 4.9 0 1 0 .01 0zM10.7 13h2.6l1.5 9.5H9.2z",
  ],
  [
    "4",
    "flower",
    "M7.5 2.3a5.2 5.2 0 1 0 .01 0zM16.5 2.3a5.2 5.2 0 1 0 .01 0zM7.5 11.3a5.2 5.2 0 1 0 .01 0zM16.5 11.3a5.2 5.2 0 1 0 .01 0z",
  ],
  ["5", "pentagon", "M12 1.7l10.5 7.7-4 12.3h-13l-4-12.3z"],
  ["6", "half", "M12 2a10 10 0 0 1 0 20zM8.5 3.5v17a9.5 9.5 0 0 1 0-17z"],
  [
    "7",
    "spark",
    "M12 .8c1.2 6.9 4.3 10 11.2 11.2-6.9 1.2-10 4.3-11.2 11.2C10.8 16.3 7.7 13.2.8 12 7.7 10.8 10.8 7.7 12 .8z",
  ],
];

const FACES = new Map<string, Face>(
  SHAPES.map(([face, name, path], index) => [face, { name, path, hue: Math.round((index * 137.5 + 250) % 360) }]),
);

/** The picture of a face; `null` for one that this page does not know. */
export function faceOf(face: string): Face | null {
  return FACES.get(face) ?? null;
}

/** The name of a face, for words. */
export function faceName(face: string): string {
  return FACES.get(face)?.name ?? face;
}

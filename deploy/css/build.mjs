// Compiles hub.scss into shared/static/hub.css, and mirrors that into hub.rtl.css for right-to-left languages.
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import rtlcss from "rtlcss";
import * as sass from "sass";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { css } = sass.compile(here("hub.scss"), {
  loadPaths: [here("node_modules")],
  style: "compressed",
  charset: false,
  quietDeps: true,
});

for (const [name, sheet] of [["hub.css", css], ["hub.rtl.css", rtlcss.process(css)]]) {
  writeFileSync(here(`../../shared/static/${name}`), `${sheet.trim()}\n`);
  console.log(`${name}: ${sheet.length} bytes, ${gzipSync(sheet).length} with gzip`);
}

/**
 * Builds what the server gives, into its sources; and the package, into `dist/`.
 *
 * `node build.mjs FOLDER` writes all of it into a folder instead.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { minify } from "terser";

const here = dirname(fileURLToPath(import.meta.url));
const [folder] = process.argv.slice(2);
const web = folder ? resolve(folder) : join(here, "..", "src", "enduser", "web");
const dist = folder ? resolve(folder) : join(here, "dist");

const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));
const common = {
  absWorkingDir: here,
  bundle: true,
  define: { VERSION: JSON.stringify(version) },
  target: "es2021",
  format: "esm",
  legalComments: "none",
  logLevel: "warning",
};

/** What modules call of each other, and pages, servers and browsers never see: short names save a hundred bytes. */
const inner = (
  "watch watchPages seeAgain watchUser note tick leave hurry comeBack isLate allow trust currentToken isHashed ids forget " +
  "goTo methods isSent bytes isWaiting hashNow add text clearAll drop message"
).replaceAll(" ", "|");

await mkdir(web, { recursive: true });
// The script stands in a function, which the server writes around it. Made small twice it is smaller by 400 bytes.
const { outputFiles } = await build({
  ...common,
  entryPoints: ["src/script.ts"],
  minify: true,
  mangleProps: new RegExp(`^(${inner})$`),
  write: false,
});
const { code: script } = await minify(outputFiles[0].text, { ecma: 2021, module: true });
await writeFile(join(web, "enduser.js"), `${script}\n`);
const snippet = await readFile(join(here, "snippet.js"), "utf8");
const { code } = await transform(snippet, { minify: true, target: common.target });
await writeFile(join(web, "snippet.html"), `<script>\n${code.trim()}\n</script>\n`);
await build({ ...common, entryPoints: ["src/index.ts"], outfile: join(dist, "index.js") });

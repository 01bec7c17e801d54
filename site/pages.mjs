// Lays out .pages, what VitePress reads: the pages of docs/, and the texts of the repository that explain Tintype. docs/ stays
// plain Markdown, whose links lead where they do on GitHub: config.mts says where they lead on the site.
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("..", import.meta.url));
export const pages = fileURLToPath(new URL(".pages", import.meta.url));

/** The files of the repository that are on the site, and their paths there. */
export const paths = new Map([
  ["ARCHITECTURE.md", "architecture.md"],
  ["SECURITY.md", "security.md"],
  ...globSync("docs/**/*.{md,svg,webp}", { cwd: repository }).map((file) => [file, file.slice("docs/".length).replace(/README\.md$/, "index.md")]),
]);

/** The sidebar: the headings and lists of docs/README.md. An item without a link is a group of those below it. */
export function sidebar() {
  const sections = [];
  for (const line of readFileSync(join(repository, "docs/README.md"), "utf8").split("\n")) {
    const [, heading] = line.match(/^## (.*)/) ?? [];
    if (heading) {
      sections.push({ text: heading, items: [] });
    }
    const [, indent, text, to] = line.match(/^( *)- (?:\[([^\]]+)\]\(([^)]+)\))?/) ?? [];
    if (indent === undefined) {
      continue;
    }
    const { items } = sections.at(-1);
    if (!to) {
      items.push({ text: line.slice(2), collapsed: true, items: [] });
      continue;
    }
    const page = paths.get(join("docs", to));
    if (!page) {
      throw new Error(`docs/README.md leads to ${to}, which isn't a page`);
    }
    (indent ? items.at(-1).items : items).push({ text, link: "/" + page.replace(/\.md$/, "") });
  }
  const listed = new Set(sections.flatMap(({ items }) => items.flatMap((item) => item.items ?? item)).map(({ link }) => link));
  for (const page of paths.values()) {
    if (page.endsWith(".md") && page !== "index.md" && !listed.has("/" + page.replace(/\.md$/, ""))) {
      throw new Error(`docs/README.md doesn't list ${page}: put it below its heading`);
    }
  }
  return sections;
}

function layOut() {
  rmSync(pages, { recursive: true, force: true });
  for (const [file, page] of paths) {
    const to = join(pages, page);
    mkdirSync(dirname(to), { recursive: true });
    if (!page.endsWith(".md")) {
      cpSync(join(repository, file), to);
      continue;
    }
    // Comments are for who edits a page. HTML is off, and would show them.
    writeFileSync(to, readFileSync(join(repository, file), "utf8").replace(/^<!--.*-->\n+/gm, ""));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  layOut();
}

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { defineConfig } from "vitepress";
import { paths, repository, sidebar } from "../pages.mjs";

const github = "https://github.com/tintype/tintype";
const files = new Map([...paths].map(([file, page]) => [page, file]));

/** As GitHub makes anchors of headings, since docs/ is read there too. */
function slugify(heading: string): string {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-");
}

/** Where a link of a page leads on the site: to a page, or to a file of the repository. */
function resolve(page: string, href: string): string {
  if (/^([a-z]+:|#|\/\/)/i.test(href)) {
    return href;
  }
  const [to, anchor] = href.split("#");
  const file = join(dirname(files.get(page)!), decodeURI(to));
  const target = paths.get(file);
  if (target) {
    return "./" + relative(dirname(page), target) + (anchor ? "#" + anchor : "");
  }
  if (file.startsWith("..") || !existsSync(join(repository, file))) {
    throw new Error(`${files.get(page)} leads to ${href}, which isn't there`);
  }
  return `${github}/${statSync(join(repository, file)).isDirectory() ? "tree" : "blob"}/main/${file}`;
}

/** The version of these pages, and a menu of the released ones, whose pages GitHub shows. */
function versions() {
  const text = process.env.TINTYPE_VERSION || "dev";
  const tags = execFileSync("git", ["tag", "--list", "v*", "--sort=-version:refname"], { cwd: repository, encoding: "utf8" }).split("\n").filter(Boolean);
  if (!tags.length) {
    return { text, link: "/upgrading" };
  }
  return { text, items: [{ text: "Upgrading", link: "/upgrading" }, ...tags.map((tag) => ({ text: tag, link: `${github}/blob/${tag}/docs/README.md` }))] };
}

/** Whether a page's tables need the room of the outline: they have four columns or more, and the page few headings. */
function isWide(file: string): boolean {
  const text = readFileSync(join(repository, file), "utf8");
  return /^\|( ---+ \|){4,}$/m.test(text) && text.split(/^##/m).length < 6;
}

export default defineConfig({
  title: "Tintype",
  titleTemplate: ":title · Tintype",
  description: "An image-transformation CDN that you run yourself",
  lang: "en",
  srcDir: ".pages",
  // The demo is the one of make run, or another that TINTYPE_DEMO names.
  vite: { define: { __DEMO__: JSON.stringify(process.env.TINTYPE_DEMO || "http://localhost:8080") } },
  markdown: {
    // docs/ is plain Markdown: nothing in it is for Vue, nor an attribute, an emoji or a link without brackets.
    html: false,
    linkify: false,
    attrs: { disable: true },
    anchor: { slugify },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config(md) {
      md.disable("emoji", true);
      md.core.ruler.push("repository", (state) => {
        for (const token of state.tokens.flatMap((block) => block.children ?? [])) {
          const attribute = token.type === "link_open" ? "href" : token.type === "image" ? "src" : "";
          const href = attribute && token.attrGet(attribute);
          if (href) {
            token.attrSet(attribute, resolve(state.env.relativePath, href));
          }
        }
      });
      md.renderer.rules.text = (tokens, i) => md.utils.escapeHtml(tokens[i].content).replaceAll("{{", "&#123;&#123;");
    },
  },
  transformPageData(page) {
    page.filePath = files.get(page.relativePath)!; // in the repository, for editLink
    if (isWide(page.filePath)) {
      page.frontmatter.aside = false;
    }
  },
  themeConfig: {
    nav: [versions()],
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: {
        miniSearch: {
          searchOptions: {
            // Pages that name everything come after those that explain it.
            boostDocument: (id: string) => (/^\/(api|architecture|dialects)\b/.test(id) ? 0.3 : id.startsWith("/migrate/") ? 0.6 : 1),
          },
        },
      },
    },
    socialLinks: [{ icon: "github", link: github }],
    editLink: { pattern: `${github}/edit/main/:path`, text: "Edit this page" },
  },
});

"""Write the proxy's own error pages from the catalogues, in all languages: it knows no reader's language.

`python -m deploy.proxy.render` after a change of words; a test fails when the pages are out of step.
"""

from html import escape
from pathlib import Path

from shared import i18n
from shared.web import ERROR_PAGES, OUR_FAULT

FOLDER = Path(__file__).parent / "pages"
# A service that went away in the middle of a request may have saved it: that page promises nothing.
PAGES = {"away.html": OUR_FAULT, "too-large.html": ERROR_PAGES[413]}

_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1.1875rem/1.6 system-ui, "Noto Sans", sans-serif; max-width: 40rem; margin: 1rem auto; padding: 0 1rem;
  color: #1d1d1b; background: #fffdf8; }}
h1, h2 {{ font-size: 1.4rem; line-height: 1.4; margin: 0 0 .3rem; }}
section {{ padding: 1rem 0; border-bottom: 1px solid #d9d0bf; }}
p {{ margin: 0; }}
</style>
</head>
<body>
<main>
{sections}</main>
</body>
</html>
"""


def render(words: tuple[str, str], catalogues: i18n.Catalogues) -> str:
    """The page that says these words, a title and what to do, in a section for each language."""
    title, advice = words
    sections = ""
    for language in catalogues.languages():
        heading = "h1" if language.tag == i18n.DEFAULT else "h2"
        said = (escape(catalogues.text(language.tag, message)) for message in (title, advice))
        sections += '<section lang="{}" dir="{}">\n<{h}>{}</{h}>\n<p>{}</p>\n</section>\n'.format(
            language.tag, language.dir, *said, h=heading
        )
    heading = escape(catalogues.text(i18n.DEFAULT, title))
    return _PAGE.format(lang=i18n.DEFAULT, title=heading, sections=sections)


if __name__ == "__main__":
    for name, words in PAGES.items():
        (FOLDER / name).write_text(render(words, i18n.load()), "utf-8")

"""The proxy's own pages say what the catalogues say."""

import pytest

from deploy.proxy.render import FOLDER, PAGES, render
from shared import i18n


@pytest.mark.parametrize(("name", "words"), PAGES.items())
def test_the_proxys_page_is_what_the_catalogues_say_in_every_language(name, words):
    catalogues = i18n.load()

    page = (FOLDER / name).read_text("utf-8")

    assert page == render(words, catalogues), "run python -m deploy.proxy.render"
    assert all(f'lang="{language.tag}" dir="{language.dir}"' in page for language in catalogues.languages())

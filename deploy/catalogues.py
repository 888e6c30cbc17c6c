"""Checks every translation against the source it translates; `--update` brings the catalogues to what the source says.

Law: a message that is in the source is in every catalogue, translated, with the same placeholders; nothing else is.
A translation that rightly equals the English carries the comment `#. same`.
"""

import argparse
import gettext
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import PoFileError, read_po, write_po
from babel.plural import to_gettext
from jinja2.ext import babel_extract

from shared.i18n import LANGUAGES

ROOT = Path(__file__).parent.parent
SOURCE_LOCALE = "en_GB"
SAME = "same"
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
METHODS: dict[str, str | Callable] = {".py": "python", ".html": babel_extract, ".txt": babel_extract}
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
_NUMBERS = range(201)

Key = str | tuple[str, ...]
Sources = dict[Key, list[str]]  # a message, or its two English forms -> the files it stands in, in order


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Check, or update, all catalogues below `root`. Returns the exit status: 0 all is well, 1 it is not."""
    parser = argparse.ArgumentParser(prog="python -m deploy.catalogues", description=__doc__.partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="add what is missing, empty; remove what is obsolete")
    given = parser.parse_args(arguments)
    if given.update:
        for folder in _folders(root):
            for locale in _locales():
                _update(folder.path / "translations" / locale / "messages.po", folder, locale=locale)
    problems = [problem for folder in _folders(root) for problem in _check(folder, root=root)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} problems in the catalogues" if problems else "the catalogues are complete")
    return 1 if problems else 0


def _locales() -> list[str]:
    return [language.locale for language in LANGUAGES.values()]


@dataclass(frozen=True)
class Folder:
    """A folder with words of its own. Those that the shared catalogue has too are `elsewhere`: it may go without."""

    path: Path
    sources: Sources
    elsewhere: Set[Key] = frozenset()


def _folders(root: Path) -> Iterator[Folder]:
    shared = _sources(root / "shared", root=root)
    yield Folder(root / "shared", shared)
    for path in sorted(path.parent for path in (root / "services").glob("*/__init__.py")):
        sources = _sources(path, root=root)
        if sources.keys() - shared.keys():
            yield Folder(path, sources, shared.keys())


def _sources(folder: Path, *, root: Path) -> Sources:
    found: Sources = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in METHODS):
        if path.suffix != ".py" and "templates" not in path.parts:
            continue
        with open(path, "rb") as file:
            for _, message, _, _ in extract(METHODS[path.suffix], file, KEYWORDS, options={"silent": "false"}):
                files = found.setdefault(message, [])
                files.append(str(path.relative_to(root)))
    for name in _theme_names(folder):
        found.setdefault(name, []).append(str((folder / "themes" / "themes.toml").relative_to(root)))
    return found


def _theme_names(folder: Path) -> Iterator[str]:
    """The groups, names and definitions of themes, which pages show and which stand in a table of their own."""
    path = folder / "themes" / "themes.toml"
    if path.exists():
        for theme in tomllib.loads(path.read_text("utf-8"))["theme"]:
            yield from (theme["group"], theme["name"], theme["definition"])


def _check(folder: Folder, *, root: Path) -> Iterator[str]:
    for locale in _locales():
        path = folder.path / "translations" / locale / "messages.po"
        try:
            catalogue = _read(path, locale)
        except FileNotFoundError:
            yield f"{path.relative_to(root)}: the file is missing"
        except (PoFileError, ValueError) as e:
            yield f"{path.relative_to(root)}: it cannot be read: {e}"
        else:
            yield from (f"{path.relative_to(root)}: {wrong}" for wrong in _problems(catalogue, folder, locale))


def _problems(catalogue: Catalog, folder: Folder, locale: str) -> Iterator[str]:
    entries = {_key(message): message for message in catalogue if message.id}
    yield from (f"missing: {key!r}" for key in folder.sources if key not in entries.keys() | folder.elsewhere)
    yield from (f"obsolete: {key!r}" for key in entries if key not in folder.sources)
    yield from (f"obsolete: {message.id!r}" for message in catalogue.obsolete.values())
    yield from _plural_problems(catalogue, locale)
    for key, message in entries.items():
        yield from (f"{wrong}: {key!r}" for wrong in _entry_problems(key, message, locale))


def _entry_problems(key: Key, message: Message, locale: str) -> Iterator[str]:
    originals, forms = _forms(key), _forms(message.string or "")
    if message.fuzzy:
        yield "fuzzy"
    if not all(forms):
        yield "empty"
        return
    if locale == SOURCE_LOCALE:
        if forms != originals:
            yield "differs from the source"
    elif SAME not in message.auto_comments and set(forms) & {text for text in originals if _has_words(text)}:
        yield "identical to the English"
    named = [set(_PLACEHOLDER.findall(text)) for text in originals]
    for form in forms:
        has = set(_PLACEHOLDER.findall(form))
        if not set.intersection(*named) <= has <= set.union(*named) or not _can_be_filled(form, has):
            yield f"placeholders of {form!r} differ"


def _plural_problems(catalogue: Catalog, locale: str) -> Iterator[str]:
    """The header's rule against CLDR's, number by number: wrong ones are common, and common in generators too."""
    rule = Locale.parse(locale).plural_form
    order: list[str] = [tag for tag in ("zero", "one", "two", "few", "many", "other") if tag in rule.tags | {"other"}]
    try:
        chosen = gettext.c2py(catalogue.plural_expr)
        wrong = [n for n in _NUMBERS if chosen(n) != order.index(rule(n)) or chosen(n) >= catalogue.num_plurals]
    except ValueError as e:
        yield f"Plural-Forms cannot be read: {e}"
        return
    if wrong:
        yield f"Plural-Forms differ from CLDR, which wants {', '.join(order)} in this order, for {wrong[:5]}"


def _has_words(text: str) -> bool:
    return any(letter.isalpha() for letter in _PLACEHOLDER.sub("", text))


def _can_be_filled(text: str, names: set[str]) -> bool:
    try:
        return not names or bool(text % dict.fromkeys(names, 1))
    except (ValueError, TypeError, KeyError):
        return False


def _key(message: Message) -> Key:
    return message.id if isinstance(message.id, str) else tuple(message.id)


def _forms(text: str | Sequence[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _read(path: Path, locale: str) -> Catalog:
    with open(path, "rb") as file:
        return read_po(file, locale=locale, abort_invalid=True)


def _update(path: Path, folder: Folder, *, locale: str) -> None:
    """Write the catalogue anew in the order of the source, its header as it was, every translation kept."""
    header = path.read_text("utf-8").partition("\n\n")[0] if path.exists() else _header(locale)
    old = _read(path, locale) if path.exists() else Catalog(locale=locale)
    known = {_key(message): message for message in old if message.id}
    new = read_po(StringIO(header + "\n"), locale=locale)  # It takes the number of plural forms from the header.
    for key, files in folder.sources.items():
        before = known.get(key)
        if before is None and key in folder.elsewhere:
            continue
        new.add(
            key,
            key if locale == SOURCE_LOCALE else before.string if before else "",
            locations=[(file, 0) for file in dict.fromkeys(files)],
            flags=before.flags if before else (),
            auto_comments=before.auto_comments if before else (),
            user_comments=before.user_comments if before else (),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(header.encode() + b"\n\n")
        write_po(file, new, width=0, omit_header=True, include_lineno=False)


def _header(locale: str) -> str:
    rule = Locale.parse(locale).plural_form
    lines = [
        "Project-Id-Version: coproduction-hub",
        f"Language: {locale}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        f"Plural-Forms: {to_gettext(rule)}",
    ]
    return 'msgid ""\nmsgstr ""\n' + "\n".join(f'"{line}\\n"' for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())

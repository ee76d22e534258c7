"""What the README and docs/ promise: links and anchors lead somewhere, pictures are there and small, commands are the program's."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer
from conftest import ROOT
from markdown_it import MarkdownIt
from markdown_it.token import Token

import run
from realtime.base.version import __version__

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "models/README.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
PICTURES = ROOT / "docs" / "pictures"
MOVING, STILL = 1_000_000, 200_000
"""How large the moving picture and the others may be, in bytes."""
PROGRAM = re.compile(r"^(?:\.venv/bin/python |python )?run\.py |^(?:\.venv/bin/)?expressions ")
PATTERN = re.compile(r"[A-Z]{3,}|\.\.\.")
"""What stands for something else in a command that is described, not shown."""


def tokens_of(text: str) -> list[Token]:
    """The tokens of a page, with those of its lines."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [*tokens, *(inner for token in tokens for inner in token.children or ())]


def targets_of(text: str) -> Iterator[str]:
    """Where links and pictures of a page lead."""
    for token in tokens_of(text):
        if token.type in ("link_open", "image"):
            yield str(token.attrs.get("href") or token.attrs.get("src"))
        elif token.type in ("html_block", "html_inline"):
            yield from re.findall(r'(?:href|src)="([^"]+)"', token.content)


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them: small letters, digits and hyphens; the second of a name ends in -1."""
    anchors: list[str] = []
    tokens = MarkdownIt("commonmark").parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            name = re.sub(r"[^\w\- ]", "", "".join(part.content for part in inline.children or ()).lower()).replace(" ", "-")
            same = sum(re.fullmatch(re.escape(name) + r"(-\d+)?", other) is not None for other in anchors)
            anchors.append(f"{name}-{same}" if same else name)
    return set(anchors)


def dead_links(page: Path, text: str) -> list[str]:
    """The links of a page within the repository that lead nowhere."""
    dead = []
    for target in targets_of(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in anchors_of(text if place == page else place.read_text(encoding="utf-8"))):
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


def test_a_dead_link_is_found():
    text = (
        "# A title\n[a](docs/none.md) [b](#a-title) [c](#none) [d](docs/map.md#none)\n![e](none.png) <img src='x' ><a href=\"none\">f</a>"
    )
    assert dead_links(ROOT / "README.md", text) == ["docs/none.md", "#none", "docs/map.md#none", "none.png", "none"]
    assert anchors_of("# What it *is*, and `why`\n\n## A\n\n## A\n") == {"what-it-is-and-why", "a", "a-1"}


def test_pictures_are_small_and_each_is_shown():
    sizes = {picture.name: picture.stat().st_size for picture in PICTURES.iterdir()}
    assert {"window.webp", "page.webp", "report.webp", "calibration.webp"} <= set(sizes)
    assert [name for name, size in sizes.items() if size >= (MOVING if name == "window.webp" else STILL)] == []
    shown = {Path(target).name for page in PAGES for target in targets_of(page.read_text(encoding="utf-8"))}
    assert set(sizes) - shown == set()


def test_every_page_of_docs_is_named_by_the_readme():
    readme = set(targets_of((ROOT / "README.md").read_text(encoding="utf-8")))
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in readme] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 215


def commands_of(text: str) -> list[str]:
    """The commands of this program in a page, each without what starts it: those of fenced code, and those in lines of text."""
    found = []
    for token in tokens_of(text):
        lines = token.content.splitlines() if token.type == "fence" and token.info == "bash" else []
        parts = [part for line in lines for part in line.split("&&")] + ([token.content] if token.type == "code_inline" else [])
        for part in parts:
            plain = re.sub(r"^\s*(?:[A-Z_]+=\S* )*", "", part).strip()
            # In a line of text `expressions 2` may be the name of a stream.
            if PROGRAM.match(plain) and (token.type == "fence" or plain.startswith("run.py ")):
                found.append(PROGRAM.sub("", plain))
    return found


def refused(line: str) -> str:
    """Why the command line's parser refuses a command; empty if it takes it. Nothing is run."""
    words = shlex.split(line.split(" | ")[0], comments=True)
    program = typer.main.get_command(run.app)
    context = typer.Context(program, info_name="run.py")
    try:
        name, command, rest = program.resolve_command(context, words)
        if PATTERN.search(line):
            options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            return ", ".join(word for word in rest if word.startswith("--") and word.partition("=")[0] not in options)
        # A command's name alone only names it.
        if rest:
            command.make_context(name, rest, parent=context)
    except typer.Exit:
        return ""
    except Exception as error:
        # Typer's releases have different classes for a wrong command line.
        return f"{type(error).__name__}: {error}"
    return ""


COMMANDS = sorted({(str(page.relative_to(ROOT)), line) for page in PAGES for line in commands_of(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_is_one_of_the_program(page, line):
    if not line.startswith(("--", "COMMAND", "...")):
        assert refused(line) == ""


def test_a_wrong_command_is_found():
    text = "```bash\nexpressions live --none\nA=1 .venv/bin/python run.py live --web  # yes\n```\nand `run.py recrod a` and `run.py`"
    assert commands_of(text) == ["live --none", "live --web  # yes", "recrod a"]
    assert [refused(line) != "" for line in commands_of(text)] == [True, False, True]
    assert refused("live --nothing FILE") == "--nothing"
    assert len(COMMANDS) > 40


def test_code_is_fenced_and_says_its_language():
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            blocks = [token for token in tokens_of(page.read_text(encoding="utf-8")) if token.type in ("fence", "code_block")]
            assert {token.info for token in blocks} <= {"bash", "python", "text", "json", "r"}, page.name


def test_the_readme_shows_what_its_program_prints():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", readme, re.S).groups()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    # Another processor may round otherwise.
    without_numbers = [re.sub(r", [\d.]+\)", ")", text) for text in (done.stdout, shown)]
    assert without_numbers[0] == without_numbers[1] != ""


def test_the_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.M)[1] == __version__
    date = re.search(r"^date-released: (\S+)$", citation, re.M)[1]
    assert f"## {__version__} - {date}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

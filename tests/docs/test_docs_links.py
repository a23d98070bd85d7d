"""What README.md and docs/ point to exists: links, files, commands, options, configuration keys and their defaults."""

import re
from pathlib import Path
from textwrap import indent

import pytest
import typer
import yaml
from pydantic import BaseModel

from gzmass import config
from gzmass.cli import app
from gzmass.experiment import ExperimentConfig
from gzmass.experiment.plan import make_plan
from gzmass.preparation import PrepareConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"(?<![\w./-])(?:benchmarks|configs|docs|gzmass|tests)/[\w./-]*\.(?:cff|md|png|py|yaml)\b")
CLASSES = {
    name: getattr(config, name)
    for name in config.__all__
    if name.endswith("Config") and issubclass(getattr(config, name), BaseModel)
} | {"PrepareConfig": PrepareConfig, "ExperimentConfig": ExperimentConfig}


def prose(text):
    """A page without its code."""
    text = FENCED.sub("", text)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """Anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(text):
    """What is typed: lines of code that start with gzmass, in blocks (not in Python) and within a line."""
    plain = FENCED.sub(lambda block: "" if block[1] == "python" else indent(block[2], "    "), text)
    lines = re.findall(r"^ {4,}(?:\.venv/bin/)?gzmass +(.+)$", plain, flags=re.MULTILINE)
    lines += re.findall(r"`gzmass +([^`\n]+)`", FENCED.sub("", text))
    return [re.sub(r"\s#.*| {3,}[^-\s].*", "", line) for line in lines]


def options(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@page
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(prose(text)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{target}: there is no such heading"


@page
def test_files_that_are_named_exist(page):
    for name in FILE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{name} does not exist"


@page
def test_commands_and_options_exist(page):
    group = typer.main.get_command(app)
    for line in command_lines(page.read_text(encoding="utf-8")):
        first, *rest = line.split()
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        if first.startswith("--"):
            assert {first, *given} <= options(group), f"gzmass {line}: no such option"
            continue
        assert first in group.commands, f"gzmass {line}: no such command"
        assert given <= options(group.commands[first]), f"gzmass {line}: no such option"


def test_every_command_is_shown():
    lines = [line for page in PAGES for line in command_lines(page.read_text(encoding="utf-8"))]
    assert set(typer.main.get_command(app).commands) <= {line.split()[0] for line in lines}


def test_yaml_examples_can_be_used():
    blocks = [
        (page, yaml.safe_load(block))
        for page in PAGES
        for language, block in FENCED.findall(page.read_text(encoding="utf-8"))
        if language == "yaml"
    ]
    assert blocks
    for page, data in blocks:
        if "images" in data:
            PrepareConfig.model_validate(data)
        elif "axes" in data:
            make_plan(ExperimentConfig.model_validate(data))
        else:
            assert list(data) == ["stages"], f"{page.name}: an example of what?"
            config.FinetuneConfig(dataset="galaxies", out="run", **data)


def nested(annotation):
    """Configuration classes within an annotation, and whether they stand in a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    in_dict = getattr(annotation, "__origin__", None) is dict
    for inner in getattr(annotation, "__args__", ()):
        for found, deeper in nested(inner):
            yield found, deeper or in_dict


def keys(cls, above=""):
    """Keys of a configuration class with their fields; sections of a class that has no page of its own go deeper."""
    for name, field in cls.model_fields.items():
        sections = [(c, d) for c, d in nested(field.annotation) if c.__name__ not in CLASSES]
        if not sections or sections[0][1]:
            yield above + name, field
        for section, in_dict in sections:
            yield from keys(section, f"{above}{name}.{'<name>.' if in_dict else ''}")


def documented():
    """Rows of docs/configuration.md: the classes of the heading they stand under, the key, and its default."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for part in text.split("\n## ")[1:]:
        heading, *lines = part.splitlines()
        for line in lines:
            if line.startswith("| `"):
                cells = [cell.strip() for cell in line.strip("|").split(" | ")]
                names, defaults = re.findall("`([^`]+)`", cells[0]), re.findall("`([^`]+)`", cells[2]) or [cells[2]]
                for k, name in enumerate(names):
                    yield re.findall("`([^`]+)`", heading), name, defaults[min(k, len(defaults) - 1)]


@pytest.mark.parametrize("name", CLASSES)
def test_every_configuration_key_is_documented_once_with_its_default(name):
    fields = dict(keys(CLASSES[name]))
    rows = []
    for classes, key, default in documented():
        if name in classes:
            # what several sections have is explained once
            table, _, rest = key.partition(".")
            same = [other for other in fields if other.partition(".")[2] == rest] if table == "<table>" else [key]
            rows += [(other, default) for other in same]
    assert sorted(key for key, _ in rows) == sorted(fields)
    for key, default in rows:
        field = fields[key]
        if field.is_required() or default == "required":
            assert (field.is_required(), default) == (True, "required"), key
        elif not list(nested(field.annotation)):
            value = field.get_default(call_default_factory=True)
            value = list(value) if isinstance(value, tuple) else value
            assert yaml.safe_load(default) == value, key


def test_headings_name_configuration_classes_that_exist():
    assert {name for classes, _, _ in documented() for name in classes} == set(CLASSES)

"""Every module says what is public, and all of it exists and is documented."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gzmass"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__main__.py"]


def public_names(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", None) for t in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return None


def defined(tree):
    """Names that a module defines or imports at its top level, with the definition where it has one."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(dict.fromkeys((alias.asname or alias.name for alias in node.names), None))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names.update(dict.fromkeys((n.id for n in ast.walk(target) if isinstance(n, ast.Name)), None))
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_names_exist_and_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public, names = public_names(tree), defined(tree)
    assert ast.get_docstring(tree), "the first line of a module says its subject"
    assert public is not None, "__all__ is missing"
    assert len(public) == len(set(public)), "a name stands twice in __all__"
    # a package that loads names lazily (module __getattr__) is checked by importing them, in the tests of its own
    missing = [] if "__getattr__" in names else [name for name in public if name not in names]
    assert not missing, f"{missing} are in __all__ and not in the module"
    undocumented = [name for name in public if names.get(name) and not ast.get_docstring(names[name])]
    assert not undocumented


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_other_modules_import_is_public(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gzmass."):
            home = PACKAGE.joinpath(*node.module.split(".")[1:])
            home = home / "__init__.py" if home.is_dir() else home.with_suffix(".py")
            tree = ast.parse(home.read_text(encoding="utf-8"))
            own = {alias.name for alias in node.names} & set(defined(tree))
            hidden = own - set(public_names(tree))
            assert not hidden, f"{sorted(hidden)} of {node.module} are not in its __all__"


def test_names_that_are_loaded_lazily_have_a_home_that_exports_them():
    import gzmass

    for name, home in gzmass._HOME.items():
        path = PACKAGE.joinpath(*home.split(".")[1:], "__init__.py")
        assert name in public_names(ast.parse(path.read_text(encoding="utf-8"))), f"{home} does not export {name}"
    assert set(gzmass.__all__) == {"__version__", *gzmass._HOME}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gzmass.nothing

"""The shipped `etc/wlkd.yaml` says what the code does: it is what `wlkd check --print-default` writes.

After a change of options: `python tests/test_shipped_configuration.py` writes it anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from wlkd.config import load_config, make_config
from wlkd.config.document import read_document
from wlkd.config.options import Settings
from wlkd.config.template import default_configuration
from wlkd.contract.kinds import KINDS, Registered
from wlkd.plugins import Plugins, load_plugins

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "etc" / "wlkd.yaml"


def shipped_components(plugins: Plugins) -> list[Registered]:
    """Those of the distributions in this repository, whatever else is installed beside them."""
    projects = [tomllib.loads(path.read_text())["project"]["name"] for path in ROOT.glob("plugins/*/pyproject.toml")]
    absent = set(projects) - {distribution.name for distribution in distributions()}
    assert not absent, f"the file would not be whole, install them first (scripts/setup): {sorted(absent)}"
    missing = [failure for failure in plugins.failures if failure.distribution in projects]
    assert not missing, f"the file would not be whole: {missing}"
    return [entry for entry in plugins.components if entry.distribution in projects]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


def test_the_shipped_file_is_the_generated_one(plugins: Plugins) -> None:
    expected = default_configuration(shipped_components(plugins))
    assert SHIPPED.read_text(encoding="utf-8") == expected, f"write it anew: python {Path(__file__).relative_to(ROOT)}"


def test_the_shipped_file_means_the_defaults(plugins: Plugins) -> None:
    document = read_document(SHIPPED.read_text(encoding="utf-8"))
    assert not document.mistakes
    assert make_config(document.values, plugins) == make_config({}, plugins)


def test_every_option_gives_its_reason(plugins: Plugins) -> None:
    models: list[tuple[str, type[BaseModel]]] = [("", Settings)]
    models += [(f"{entry.kind} {entry.name}: ", entry.component.Config) for entry in shipped_components(plugins)]
    silent = [where for prefix, model in models for where, field in options(model, prefix) if not field.description]
    assert not silent, f"Field(description=...) is missing: {silent}"


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if kind.default and not kind.many])
def test_what_could_stand_instead_is_right_too(plugins: Plugins, kind: str) -> None:
    """Removing the `# ` of an alternative gives a section that means that component's defaults."""
    for entry in shipped_components(plugins):
        if entry.kind == kind and entry.name not in KINDS[kind].default:
            _, _, rest = default_configuration([entry]).partition(f"# Instead:\n#\n# {kind}:\n")
            block = f"{kind}:\n" + rest.partition("\n\n")[0].replace("# ", "", 1).replace("\n# ", "\n")
            config = make_config(read_document(block).values, plugins)
            part = config.one(kind)
            assert part is not None and (part.name, part.options) == (entry.name, entry.component.Config())


def test_the_documented_instances_differ_in_port_and_gpu(plugins: Plugins, tmp_path: Path) -> None:
    """The loop of docs/operations.md makes two configurations of the shipped one."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    [loop] = re.findall(r"^for n in 0 1; do\n.*?^done$", page, re.DOTALL | re.MULTILINE)
    loop = loop.replace("/etc/wlkd.yaml", str(SHIPPED)).replace("/etc/wlkd/", f"{tmp_path}/")
    subprocess.run(["bash", "-ec", loop], check=True)
    for number in range(2):
        config = load_config(tmp_path / f"gpu{number}.yaml", plugins)
        assert config.server.port == 7101 + number
        assert config.backend.options.model_dump()["device_index"] == number


def options(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        default = field.default
        if isinstance(default, BaseModel):
            yield from options(type(default), f"{prefix}{name}.")


if __name__ == "__main__":
    SHIPPED.write_text(default_configuration(shipped_components(load_plugins())), encoding="utf-8")
    sys.exit()
